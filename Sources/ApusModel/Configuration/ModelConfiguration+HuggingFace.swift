package import ApusFormats
package import Foundation

extension ModelConfiguration {
    /// Reads `config.json` in the spelling of transformers 5 (`rope_parameters`) or 4 (`rope_theta`, `rope_scaling`).
    ///
    /// - Parameters:
    ///   - data: The bytes of `config.json`.
    ///   - generation: The bytes of `generation_config.json`, whose end tokens take precedence as in `generate`.
    ///   - file: The name of the file for errors.
    /// - Throws: `FormatError`: `unsupported` for another architecture or variant, `malformed` for bad values.
    package init(
        huggingFace data: Data, generation: Data? = nil, file: String = "config.json"
    ) throws(FormatError) {
        let stored = try HuggingFaceConfig.decode(data, file: file)
        let architecture = try stored.supportedArchitecture(file: file)
        let rope = try stored.rope(file: file)
        var endTokens = stored.endTokens?.values ?? []
        if let generation {
            let name = "generation_config.json"
            endTokens = try HuggingFaceGenerationConfig.decode(generation, file: name).endTokens?.values ?? endTokens
        }
        guard stored.headCount > 0 else {
            throw FormatError(.malformed, file: file, "num_attention_heads is \(stored.headCount), wanted 1 or more")
        }
        if stored.headSize == nil, stored.hiddenSize % stored.headCount != 0 {
            let message = "hidden_size \(stored.hiddenSize) does not divide by num_attention_heads \(stored.headCount)"
            throw FormatError(.malformed, file: file, message)
        }
        self.init(
            architecture: architecture, hiddenSize: stored.hiddenSize, intermediateSize: stored.intermediateSize,
            layerCount: stored.layerCount, headCount: stored.headCount,
            keyValueHeadCount: stored.keyValueHeadCount ?? stored.headCount,
            headSize: stored.headSize ?? stored.hiddenSize / stored.headCount, vocabularySize: stored.vocabularySize,
            contextLength: stored.contextLength ?? 2048, normEpsilon: stored.normEpsilon ?? 1e-6,
            ropeTheta: rope.theta, ropeScaling: rope.scaling,
            attentionBias: architecture == .qwen2 || stored.attentionBias == true,
            tiesEmbeddings: stored.tiesEmbeddings ?? false, bosToken: stored.bosToken, endTokens: endTokens
        )
        try validate(file: file)
    }
}

/// The keys of `config.json` that matter here.
private struct HuggingFaceConfig: Decodable {
    var modelType: String
    var hiddenSize: Int
    var intermediateSize: Int
    var layerCount: Int
    var headCount: Int
    var keyValueHeadCount: Int?
    var headSize: Int?
    var vocabularySize: Int
    var contextLength: Int?
    var normEpsilon: Float?
    var activation: String?
    var attentionBias: Bool?
    var feedForwardBias: Bool?
    var tiesEmbeddings: Bool?
    var usesSlidingWindow: Bool?
    var bosToken: Int32?
    var endTokens: TokenList?
    var ropeTheta: Double?
    var ropeScaling: RopeParameters?
    var ropeParameters: RopeParameters?
    var quantization: Quantization?

    /// How the weights in the files are quantised.
    struct Quantization: Decodable {
        var method: String?
        var loadsIn8Bit: Bool?

        enum CodingKeys: String, CodingKey {
            case method = "quant_method"
            case loadsIn8Bit = "load_in_8bit"
        }
    }

    enum CodingKeys: String, CodingKey {
        case modelType = "model_type"
        case hiddenSize = "hidden_size"
        case intermediateSize = "intermediate_size"
        case layerCount = "num_hidden_layers"
        case headCount = "num_attention_heads"
        case keyValueHeadCount = "num_key_value_heads"
        case headSize = "head_dim"
        case vocabularySize = "vocab_size"
        case contextLength = "max_position_embeddings"
        case normEpsilon = "rms_norm_eps"
        case activation = "hidden_act"
        case attentionBias = "attention_bias"
        case feedForwardBias = "mlp_bias"
        case tiesEmbeddings = "tie_word_embeddings"
        case usesSlidingWindow = "use_sliding_window"
        case bosToken = "bos_token_id"
        case endTokens = "eos_token_id"
        case ropeTheta = "rope_theta"
        case ropeScaling = "rope_scaling"
        case ropeParameters = "rope_parameters"
        case quantization = "quantization_config"
    }

    func supportedArchitecture(file: String) throws(FormatError) -> Architecture {
        guard let architecture = Architecture(rawValue: modelType) else {
            let known = Architecture.allCases.map(\.rawValue).joined(separator: ", ")
            throw FormatError(.unsupported, file: file, "model_type is '\(modelType)', supported are \(known)")
        }
        let method = quantization?.method ?? "bitsandbytes"
        let faults = [
            (
                method != "bitsandbytes",
                "the weights are quantised by '\(method)', only bitsandbytes' 4-bit ones are read; take the original model"
            ),
            (
                quantization?.loadsIn8Bit == true,
                "the weights are bitsandbytes' 8-bit ones (LLM.int8), which are not read; take the original model, with "
                    + "load_in_8bit: true to hold it in 8 bits"
            ),
            (activation ?? "silu" != "silu", "hidden_act is '\(activation ?? "")', only silu is supported"),
            (feedForwardBias == true, "mlp_bias is true, biases in the feed-forward block are not supported"),
            (usesSlidingWindow == true, "use_sliding_window is true, sliding windows are not supported"),
            (
                architecture == .llama && attentionBias == true,
                "attention_bias is true, which puts a bias on o_proj; that is not supported"
            ),
        ]
        if let fault = faults.first(where: { $0.0 }) { throw FormatError(.unsupported, file: file, fault.1) }
        return architecture
    }

    func rope(file: String) throws(FormatError) -> (theta: Double, scaling: RopeScaling) {
        let parameters = ropeParameters ?? ropeScaling
        let theta = ropeParameters?.theta ?? ropeTheta ?? 10_000
        guard parameters?.partialFactor ?? 1 == 1 else {
            throw FormatError(.unsupported, file: file, "partial_rotary_factor is set, only whole heads are rotated")
        }
        let kind = parameters?.ropeType ?? parameters?.legacyType ?? "default"
        switch kind {
        case "default":
            return (theta, .none)
        case "linear":
            guard let factor = parameters?.factor else { throw missingRopeKeys(kind, file: file) }
            return (theta, .linear(factor: factor))
        case "llama3":
            guard let factor = parameters?.factor, let low = parameters?.lowFrequencyFactor,
                let high = parameters?.highFrequencyFactor, let original = parameters?.originalContext ?? contextLength
            else { throw missingRopeKeys(kind, file: file) }
            return (theta, .llama3(factor: factor, low: low, high: high, original: original))
        default:
            throw FormatError(
                .unsupported, file: file, "rope type is '\(kind)', supported are default, linear and llama3")
        }
    }

    private func missingRopeKeys(_ kind: String, file: String) -> FormatError {
        FormatError(.malformed, file: file, "rope type \(kind) lacks one of factor, low_freq_factor, high_freq_factor")
    }
}

private typealias Architecture = ModelConfiguration.Architecture

/// `rope_parameters` of transformers 5 or `rope_scaling` of 4.
private struct RopeParameters: Decodable {
    var theta: Double?
    var ropeType: String?
    var legacyType: String?
    var factor: Double?
    var lowFrequencyFactor: Double?
    var highFrequencyFactor: Double?
    var originalContext: Int?
    var partialFactor: Double?

    enum CodingKeys: String, CodingKey {
        case theta = "rope_theta"
        case ropeType = "rope_type"
        case legacyType = "type"
        case factor
        case lowFrequencyFactor = "low_freq_factor"
        case highFrequencyFactor = "high_freq_factor"
        case originalContext = "original_max_position_embeddings"
        case partialFactor = "partial_rotary_factor"
    }
}

/// The keys of `generation_config.json` that matter here.
private struct HuggingFaceGenerationConfig: Decodable {
    var endTokens: TokenList?

    enum CodingKeys: String, CodingKey {
        case endTokens = "eos_token_id"
    }
}

/// One token id or a list of them.
private struct TokenList: Decodable {
    var values: [Int32]

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        values = if let one = try? container.decode(Int32.self) { [one] } else { try container.decode([Int32].self) }
    }
}

extension Decodable {
    /// Decodes JSON with a one-line error.
    fileprivate static func decode(_ data: Data, file: String) throws(FormatError) -> Self {
        do {
            return try JSONDecoder().decode(Self.self, from: data)
        } catch {
            throw FormatError(
                .malformed, file: file,
                "is not a model configuration: \(FormatError.summary(of: error)); copy the model's folder again")
        }
    }
}
