import ApusFormats
public import ApusModel
public import ApusTensor
import ApusTestSupport
import Foundation

/// One of the four tiny models and what transformers and PEFT computed with it.
public struct TinyModel {
    /// The fixtures' folders.
    public static let names = ["tiny_llama", "tiny_llama_tied", "tiny_qwen2", "tiny_qwen2_untied"]

    /// The model, with as many threads as its backend has.
    public let model: LanguageModel
    /// The fixture's adapter; it changes every output.
    public let adapter: LoRAAdapter
    /// Rows 0 and 1 of the golden batch, split at the first completion token, without padding.
    public let groups: [TokenGroup]
    private let golden: SafetensorsFile

    /// Loads a fixture.
    public init(_ name: String, precision: WeightPrecision, backend: any Backend) throws {
        (model, adapter) = try withModelFolder(copying: name) { path in
            let model = try LanguageModel(path: path, precision: precision, backend: backend)
            return (model, try LoRAAdapter(directory: URL(filePath: path), for: model))
        }
        golden = try SafetensorsFile(path: Fixture.url("\(name)/golden.safetensors").path)
        let ids = try golden.integers("input_ids")
        groups = [
            TokenGroup(prompt: Array(ids[0..<6]), completions: [Array(ids[6..<14])]),
            TokenGroup(prompt: Array(ids[18..<20]), completions: [Array(ids[20..<26])]),
        ]
    }

    /// Golden values of the completion tokens, per group.
    public func completionValues(_ name: String) throws -> [[Float]] {
        let values = try golden.floats(name)
        return [Array(values[6..<14]), Array(values[20..<26])]
    }

    /// Entropies lie one position earlier: that of the distribution that a token is drawn from.
    public func completionEntropies() throws -> [[Float]] {
        let values = try golden.floats("entropy")
        return [Array(values[5..<13]), Array(values[19..<25])]
    }

    /// Golden gradient of an adapter tensor, under its PEFT name.
    public func gradient(_ tensor: String) throws -> [Float] { try golden.floats("grad.\(tensor)") }
}

extension TinyModel {
    /// Log-probabilities and entropies of the completions, and log-probabilities without the adapter.
    public func scoreFindings(tolerance: Float) throws -> [ModelFinding] {
        let pass = TrainingPass(model: model, adapter: adapter)
        let scores = try pass.score(groups).map { $0[0] }
        let reference = try pass.score(groups, under: .reference).map { $0[0] }
        let golden = [
            ("log-probabilities", scores.map(\.logProbs), try completionValues("logps")),
            ("entropies", scores.map(\.entropies), try completionEntropies()),
            ("log-probabilities of the base", reference.map(\.logProbs), try completionValues("base_logps")),
        ]
        return golden.flatMap { subject, found, wanted in
            zip(found, wanted).map {
                ModelFinding(subject: subject, difference: relativeDifference($0, $1), tolerance: tolerance)
            }
        }
    }

    /// The adapter's gradients by the sum of all log-probabilities.
    public func gradientFindings(tolerance: Float) throws -> [ModelFinding] {
        let pass = TrainingPass(model: model, adapter: adapter)
        let scores = try pass.forward(groups)
        try pass.backward(scores.map { $0.map { $0.logProbs.map { _ in -1 } } })
        let gradients = try adapter.gradients
        return try adapter.tensors.map { tensor in
            ModelFinding(
                subject: tensor.name,
                difference: relativeDifference(Array(gradients[tensor.range]), try gradient(tensor.name)),
                tolerance: tolerance)
        }
    }
}

/// The largest difference, as a share of the largest reference value; infinite where a value is missing or no number.
public func relativeDifference(_ values: [Float], _ reference: [Float]) -> Float {
    guard values.count == reference.count, values.allSatisfy(\.isFinite) else { return .infinity }
    let largest = reference.map(abs).max() ?? 0
    return zip(values, reference).map { abs($0 - $1) }.max().map { $0 / max(largest, .leastNormalMagnitude) } ?? 0
}
