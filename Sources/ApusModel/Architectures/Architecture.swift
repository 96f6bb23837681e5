package import ApusFormats
internal import ApusTensor

/// A family of models: what its name implies that no file says, what files call its numbers and tensors, and how its layers
/// follow from them. A family is a value of this type; nothing outside this folder asks for one by its name.
public struct Architecture: Sendable {
    /// `model_type` in `config.json`, such as `qwen2`.
    public let name: String
    /// The class in `architectures` of `config.json`.
    package let className: String
    /// `general.architecture` in GGUF files, and the prefix of their keys.
    package let ggufName: String
    /// The norms of a layer, with what files call them.
    let norms: [NormPosition: NormNames]
    /// Whether a GGUF file is of this family, where several share the name: the first in ``all`` that says so.
    var isMeant: @Sendable (_ by: ModelMetadata) -> Bool = { _ in true }
    /// What is added to a gain of a Hugging Face file before it multiplies: 1 for Gemma's.
    var gainOffset: Float = 0
    /// Whether norms of queries and keys go over each head (Qwen3) or over all heads together (OLMo 2).
    var normsEachHead = true
    /// Whether queries, keys and values are one matrix, and gate and up-projection another.
    var isFused = false
    /// Whether GGUF files hold the rows of queries and keys in the order of llama.cpp's interleaved rotary pairs.
    var interleavesRotaryRows = false
    /// The layers that see a window where GGUF metadata name one: no key says which. None where llama.cpp knows no windows.
    var seesWindowInGGUF: @Sendable (_ layer: Int) -> Bool = { _ in false }
    /// The layers that turn nothing in a GGUF file: no key says which.
    var isUnrotatedInGGUF: @Sendable (_ layer: Int) -> Bool = { _ in false }
    /// The linear modules whose biases llama.cpp adds.
    var biasesInGGUF: Set<LinearModule> = [.query, .key, .value, .queryKeyValue]
    /// Where llama.cpp looks for the head.
    package var headInGGUF = HeadPlace.either
    /// Whether GGUF metadata have words for all else of a model; llama.cpp takes some numbers for granted.
    var isWithinGGUF: @Sendable (ModelConfiguration) -> Bool = { _ in true }
    /// What keys mean that are absent.
    var defaults = FamilyDefaults()
    /// Reads what is the family's own in `config.json`.
    var readConfiguration: @Sendable (inout ModelFacts, JSONMembers) throws(FormatError) -> Void = { _, _ in }
    /// Reads what is the family's own in GGUF metadata.
    var readMetadata: @Sendable (inout ModelFacts, ModelMetadata) throws(FormatError) -> Void = { _, _ in }
    /// Writes what is the family's own in `config.json`.
    package var configurationMembers: @Sendable (ModelConfiguration) -> [(String, JSONValue)] = { _ in [] }
    /// Writes what is the family's own in GGUF metadata, without the prefix.
    package var metadata: @Sendable (ModelConfiguration) -> [(String, GGUFWriter.Value)] = { _ in [] }

    /// Every family.
    package static let all: [Architecture] = [
        .llama, .mistral, .qwen2, .qwen3, .gemma, .gemma2, .gemma3, .phi3, .smollm3, .granite, .olmo3,
        .olmo2,
    ]

    /// Where a head is looked for: some readers want it to be the embedding, or a tensor of its own, always.
    package enum HeadPlace: Sendable {
        /// A tensor of its own if there is one, else the embedding.
        case either
        /// The embedding.
        case embedding
        /// A tensor of its own.
        case own
    }

    /// What a file calls a norm: the end of its tensor's name.
    struct NormNames: Sendable {
        let huggingFace: String
        let gguf: String
    }
}

extension Architecture {
    /// Whether llama.cpp gives some layers of this family a window.
    package var hasWindowsInGGUF: Bool { (0..<8).contains(where: seesWindowInGGUF) }

    /// Whether a GGUF file can say all of a model, or llama.cpp would compute something else or not load it: which layers see
    /// a window and which turn nothing is not written there, and a ramp of YaRN's frequencies ends at whole ones.
    package func canSayInGGUF(_ model: ModelConfiguration) -> Bool {
        let hasOtherRamp = model.rotaryEmbeddings.contains { rotary in
            if case .yarn(let yarn) = rotary.scaling { !yarn.truncates } else { false }
        }
        let hasOtherHead = headInGGUF == .embedding && !model.tiesEmbeddings
        return !hasOtherRamp && !hasOtherHead && isWithinGGUF(model)
            && model.layers[0].modules.allSatisfy { !$0.hasBias || biasesInGGUF.contains($0.module) }
            && model.layers.enumerated().allSatisfy { index, layer in
                let fits = (layer.attention.window != nil) == seesWindowInGGUF(index)
                return (layer.rotaryEmbedding == nil) == isUnrotatedInGGUF(index)
                    && (fits || !hasWindowsInGGUF || model.window == nil)
            }
    }
}

extension Architecture: Equatable {
    /// Families are told apart by their names.
    public static func == (left: Architecture, right: Architecture) -> Bool { left.name == right.name }
}

/// What a family takes where `config.json` says nothing; nil where it must say something, or where the general rule holds.
struct FamilyDefaults: Sendable {
    var headCount: Int?
    var keyValueHeadCount: Int?
    var headSize: Int?
    var vocabularySize: Int?
    var contextLength = 2048
    var normEpsilon = 1e-6
    var ropeTheta = 10_000.0
    var tiesEmbeddings = false
    var activation = GateActivation.silu
    /// The key that names another activation.
    var activationKey = "hidden_act"
}

extension Set<LinearModule> {
    /// Every module.
    static let all = Set(LinearModule.allCases)
}

extension [NormPosition: Architecture.NormNames] {
    /// A norm of what each half layer reads, as Llama has them.
    static let before: Self = [
        .beforeAttention: .init(huggingFace: "input_layernorm", gguf: "attn_norm"),
        .beforeFeedForward: .init(huggingFace: "post_attention_layernorm", gguf: "ffn_norm"),
    ]

    /// A norm of what each half layer adds, and none of what it reads (OLMo 2).
    static let after: Self = [
        .afterAttention: .init(huggingFace: "post_attention_layernorm", gguf: "post_attention_norm"),
        .afterFeedForward: .init(huggingFace: "post_feedforward_layernorm", gguf: "post_ffw_norm"),
    ]

    /// Both (Gemma 2).
    static let around: Self = after.merging([
        .beforeAttention: .init(huggingFace: "input_layernorm", gguf: "attn_norm"),
        .beforeFeedForward: .init(huggingFace: "pre_feedforward_layernorm", gguf: "ffn_norm"),
    ]) { $1 }

    /// With norms of queries and keys.
    var withQueriesAndKeys: Self {
        merging([
            .queries: .init(huggingFace: "self_attn.q_norm", gguf: "attn_q_norm"),
            .keys: .init(huggingFace: "self_attn.k_norm", gguf: "attn_k_norm"),
        ]) { $1 }
    }
}
