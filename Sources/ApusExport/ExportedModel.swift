import ApusFormats
package import ApusModel
import ApusText
import Foundation

/// A model and, if one is given, an adapter, ready to be written in another form.
///
/// What is merged: the model's weights decoded to fp32, plus `scale * B A` in fp32, rounded once to the format that is
/// written. An adapter that was trained on 4-bit weights and is merged into 16-bit ones therefore meets slightly other
/// weights than it was trained on.
public struct ExportedModel: Sendable {
    /// Hears what share of the bytes is written, from 0 to 1.
    public typealias Progress = (Double) -> Void

    /// The model's files.
    package let checkpoint: Checkpoint
    /// The adapter's files; nil to export the model as it is.
    package let adapter: AdapterFile?
    let tokenizer: Tokenizer

    /// Opens a model and an adapter and checks that they fit.
    ///
    /// - Parameters:
    ///   - model: a Hugging Face folder or a GGUF file.
    ///   - adapter: a PEFT adapter folder.
    /// - Throws: `FormatError`, `TextError` or `ExportError`, each one line that says what to do.
    public init(model: String, adapter: String? = nil) throws {
        let checkpoint = try Checkpoint(path: model)
        self.checkpoint = checkpoint
        tokenizer = try checkpoint.makeTokenizer()
        self.adapter = try adapter.map { try AdapterFile(directory: $0, for: checkpoint.configuration) { checkpoint } }
    }

    /// Whether the model is a GGUF file, whose weights are decoded before anything is added to them.
    package var isGGUF: Bool { checkpoint.isGGUF }

    var configuration: ModelConfiguration { checkpoint.configuration }
    var weights: MergedWeights { MergedWeights(checkpoint: checkpoint, adapter: adapter) }
    /// Everything that is read: an export must not replace it.
    var sources: [String] { [checkpoint.path] + (adapter.map { [$0.path] } ?? []) }

    func requiredAdapter() throws -> AdapterFile {
        guard let adapter else {
            throw ExportError("--adapter: wanted a PEFT adapter folder for this format, found none; name one")
        }
        return adapter
    }

    /// One tensor cannot become two when an adapter is merged that stands beside the embedding or the head alone.
    func checkMerge() throws {
        guard configuration.tiesEmbeddings, let adapter, adapter.targets.hasTables else { return }
        throw ExportError(
            "\(adapter.path): it adapts the embedding or the head, which are one tensor in \(checkpoint.path): merged, both "
                + "would change; use the adapter beside the model, or train one without embed_tokens and lm_head")
    }

    /// Models of Llama's family with biases on q, k and v alone exist as GGUF files, but transformers has no configuration
    /// for them.
    func checkHuggingFaceCanHoldIt() throws {
        let biased = Set(configuration.layers.flatMap { $0.modules.filter(\.hasBias).map(\.module) })
        guard checkpoint.isGGUF, configuration.architecture == .llama, biased.contains(.query),
            !biased.contains(.attentionOutput)
        else { return }
        throw ExportError(
            "\(checkpoint.path): a llama model with biases on q, k and v has no form in transformers; export gguf instead"
        )
    }
}

/// Counts bytes on their way into files.
final class ProgressCounter {
    private let total: Int
    private let report: ExportedModel.Progress?
    private var written = 0

    init(total: Int, report: ExportedModel.Progress?) {
        self.total = total
        self.report = report
    }

    func add(_ bytes: Int) {
        written += bytes
        report?(min(1, Double(written) / Double(max(total, 1))))
    }
}
