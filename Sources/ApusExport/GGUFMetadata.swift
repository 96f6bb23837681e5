import ApusFormats
import ApusModel
import ApusText

/// The metadata that llama.cpp's converter writes for a model.
struct GGUFMetadata {
    let configuration: ModelConfiguration
    let vocabulary: GGUFVocabulary
    let name: String

    /// Adds everything but the tensors.
    func add(to writer: inout GGUFWriter, type: GGUFModelType) {
        let architecture = configuration.architecture.ggufName
        writer.set("general.architecture", .string(architecture))
        writer.set("general.type", .string("model"))
        writer.set("general.name", .string(name))
        writer.set("general.file_type", .uint32(type.fileType))
        if type.isQuantized { writer.set("general.quantization_version", .uint32(2)) }
        for (key, value) in shape + rotary + configuration.architecture.metadata(configuration) {
            writer.set("\(architecture).\(key)", value)
        }
        addVocabulary(to: &writer)
    }

    private var shape: [(String, GGUFWriter.Value)] {
        func count(_ value: Int) -> GGUFWriter.Value { .uint32(UInt32(clamping: value)) }
        return [
            ("block_count", count(configuration.layerCount)),
            ("context_length", count(contextLength)),
            ("embedding_length", count(configuration.hiddenSize)),
            ("feed_forward_length", count(configuration.intermediateSize)),
            ("attention.head_count", count(configuration.headCount)),
            ("attention.head_count_kv", count(configuration.keyValueHeadCount)),
            ("attention.layer_norm_rms_epsilon", .float32(configuration.normEpsilon)),
            ("attention.key_length", count(configuration.headSize)),
            ("attention.value_length", count(configuration.headSize)),
            ("vocab_size", count(configuration.vocabularySize)),
        ]
    }

    /// Where llama.cpp knows no window it is the longest context in which there is none to know.
    private var contextLength: Int {
        guard !configuration.architecture.hasWindowsInGGUF, let window = configuration.window else {
            return configuration.contextLength
        }
        return min(window, configuration.contextLength)
    }

    private var rotary: [(String, GGUFWriter.Value)] {
        let rotary = configuration.rotaryEmbeddings[0]
        var values: [(String, GGUFWriter.Value)] = [
            ("rope.freq_base", .float32(Float(rotary.theta))),
            ("rope.dimension_count", .uint32(UInt32(clamping: rotary.dimensions))),
        ]
        switch rotary.scaling {
        // llama.cpp has no rule for dynamic scaling; up to the original context it is none.
        case .none, .llama3, .divisors, .dynamic: break
        case .linear(let factor):
            values += [("rope.scaling.type", .string("linear")), ("rope.scaling.factor", .float32(Float(factor)))]
        case .yarn(let yarn):
            values += [
                ("rope.scaling.type", .string("yarn")), ("rope.scaling.factor", .float32(Float(yarn.factor))),
                ("rope.scaling.original_context_length", .uint32(UInt32(clamping: yarn.original))),
            ]
            if yarn.betaFast != 32 { values.append(("rope.scaling.yarn_beta_fast", .float32(Float(yarn.betaFast)))) }
            if yarn.betaSlow != 1 { values.append(("rope.scaling.yarn_beta_slow", .float32(Float(yarn.betaSlow)))) }
            let ownShare = yarn.amplitude / YarnScaling.amplitude(yarn.factor, 1)
            if ownShare != 1 { values.append(("rope.scaling.attn_factor", .float32(Float(ownShare)))) }
        case .long(let long):
            values += [
                ("rope.scaling.type", .string("longrope")),
                ("rope.scaling.attn_factor", .float32(Float(long.amplitude))),
                ("rope.scaling.original_context_length", .uint32(UInt32(clamping: long.original))),
            ]
        }
        return values
    }

    private func addVocabulary(to writer: inout GGUFWriter) {
        writer.set("tokenizer.ggml.model", .string(vocabulary.model))
        if let pre = vocabulary.pre { writer.set("tokenizer.ggml.pre", .string(pre)) }
        writer.set("tokenizer.ggml.tokens", .strings(Array(vocabulary.tokens)))
        writer.set("tokenizer.ggml.token_type", .int32s(vocabulary.tokenTypes))
        if vocabulary.scores.isEmpty {
            writer.set("tokenizer.ggml.merges", .strings(Array(vocabulary.merges)))
        } else {
            writer.set("tokenizer.ggml.scores", .float32s(vocabulary.scores))
        }
        if let addsSpace = vocabulary.addsSpacePrefix {
            writer.set("tokenizer.ggml.add_space_prefix", .bool(addsSpace))
        }
        let ids = [
            ("bos", vocabulary.bosToken), ("eos", vocabulary.endToken), ("eot", vocabulary.endOfTurnToken),
            ("unknown", vocabulary.unknownToken), ("padding", vocabulary.padToken),
        ]
        for case (let role, let id?) in ids {
            writer.set("tokenizer.ggml.\(role)_token_id", .uint32(UInt32(clamping: id)))
        }
        if let addsBOS = vocabulary.addsBOS { writer.set("tokenizer.ggml.add_bos_token", .bool(addsBOS)) }
        if let addsEOS = vocabulary.addsEOS { writer.set("tokenizer.ggml.add_eos_token", .bool(addsEOS)) }
        if let template = vocabulary.chatTemplate { writer.set("tokenizer.chat_template", .string(template)) }
    }
}
