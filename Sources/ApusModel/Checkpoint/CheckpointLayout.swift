/// What a container calls a model's tensors, and where it holds other numbers than Hugging Face's files do. The one place
/// where names of tensors are made.
package struct CheckpointLayout: Sendable {
    private let isGGUF: Bool
    private let architecture: Architecture
    private let prefix: NamePrefix
    private let headSize: Int

    /// Hugging Face's names, in whose order and values everything else is told.
    package static func huggingFace(_ architecture: Architecture, prefix: NamePrefix = .none) -> CheckpointLayout {
        CheckpointLayout(isGGUF: false, architecture: architecture, prefix: prefix, headSize: 0)
    }

    /// llama.cpp's names.
    package static func gguf(_ configuration: ModelConfiguration) -> CheckpointLayout {
        CheckpointLayout(
            isGGUF: true, architecture: configuration.architecture, prefix: .none, headSize: configuration.headSize)
    }

    /// The name of a tensor.
    package func name(of role: TensorRole) -> String {
        switch role {
        case .embedding: isGGUF ? "token_embd.weight" : prefix.body + "embed_tokens.weight"
        case .finalNorm: isGGUF ? "output_norm.weight" : prefix.body + "norm.weight"
        case .head: isGGUF ? "output.weight" : prefix.head + "lm_head.weight"
        case .norm(let place, let layer): layerPrefix(layer) + normName(place) + ".weight"
        case .weight(let module, let layer): path(of: module, layer: layer) + ".weight"
        case .bias(let module, let layer): path(of: module, layer: layer) + ".bias"
        }
    }

    /// The path of a linear module, such as `model.layers.3.self_attn.q_proj`.
    package func path(of module: LinearModule, layer: Int) -> String {
        layerPrefix(layer) + (isGGUF ? module.ggufName : module.parent + "." + module.name)
    }

    /// The path of the module that holds the embedding or the head, such as `model.embed_tokens`.
    package func path(ofTable role: TensorRole) -> String { String(name(of: role).dropLast(".weight".count)) }

    /// What the names of all tensors of layers begin with.
    package var layersPrefix: String { isGGUF ? "blk." : prefix.body + "layers." }

    /// The order of the rows, or of the elements of a bias, where the file keeps another one than Hugging Face.
    package func rowOrder(of role: TensorRole) -> InterleavedRows? {
        guard isGGUF, architecture.interleavesRotaryRows else { return nil }
        switch role {
        case .weight(.query, _), .weight(.key, _), .bias(.query, _), .bias(.key, _):
            return InterleavedRows(headSize: headSize)
        default: return nil
        }
    }

    /// What the file's numbers exceed Hugging Face's by: llama.cpp holds Gemma's gains as they multiply.
    package func excess(of role: TensorRole) -> Float { isGGUF && role.isGain ? architecture.gainOffset : 0 }

    private func layerPrefix(_ layer: Int) -> String { "\(layersPrefix)\(layer)." }

    private func normName(_ place: NormPosition) -> String {
        guard let names = architecture.norms[place] else { preconditionFailure("no such norm in \(architecture.name)") }
        return isGGUF ? names.gguf : names.huggingFace
    }
}

/// What precedes the names of a text model's tensors: those of a checkpoint that holds other models besides are below it.
package struct NamePrefix: Sendable, Equatable {
    /// Of the embedding, the layers and the last norm.
    package let body: String
    /// Of the head.
    package let head: String

    /// A text model alone.
    package static let none = NamePrefix(body: "model.", head: "")
    /// A model of text and images as transformers 5 writes it.
    package static let languageModel = NamePrefix(body: "model.language_model.", head: "")
    /// The same in older files.
    package static let olderLanguageModel = NamePrefix(body: "language_model.model.", head: "language_model.")

    /// Every one, in the order in which they are looked for.
    static let all = [none, languageModel, olderLanguageModel]
}

extension LinearModule {
    /// The module that holds it, as Hugging Face calls it.
    fileprivate var parent: String {
        switch half {
        case .attention: "self_attn"
        case .feedForward: "mlp"
        }
    }

    /// What llama.cpp calls it.
    fileprivate var ggufName: String {
        switch self {
        case .query: "attn_q"
        case .key: "attn_k"
        case .value: "attn_v"
        case .queryKeyValue: "attn_qkv"
        case .attentionOutput: "attn_output"
        case .gate: "ffn_gate"
        // A fused gate and up-projection goes by the name of the latter.
        case .up, .gateUp: "ffn_up"
        case .down: "ffn_down"
        }
    }
}

/// llama.cpp's order of q and k rows for interleaved rotary pairs.
///
/// Within a head of size `d`, the file's row `2i + j` is Hugging Face's row `j * d/2 + i`.
package struct InterleavedRows: Sendable {
    /// Values in a head.
    package let headSize: Int

    /// The row in the file that holds Hugging Face's `row`.
    package func storedRow(of row: Int) -> Int {
        let (head, inner) = row.quotientAndRemainder(dividingBy: headSize)
        let (j, i) = inner.quotientAndRemainder(dividingBy: headSize / 2)
        return head * headSize + 2 * i + j
    }

    /// Hugging Face's row that lies at `stored` in the file.
    package func row(storedAt stored: Int) -> Int {
        let (head, inner) = stored.quotientAndRemainder(dividingBy: headSize)
        let (i, j) = inner.quotientAndRemainder(dividingBy: 2)
        return head * headSize + j * headSize / 2 + i
    }
}
