import Apus
import ApusTensor

extension ModelInspection {
    /// Everything there is to say of the model.
    func inspection() throws -> Inspection {
        let file = Inspection.Part(
            key: "model",
            facts: [
                .init("path", path), .init("format", format),
                .init("size", .integer(byteCount), sized(byteCount)),
                .init("architecture", architectureName ?? "not named"),
            ])
        var parts = [file, .init(refusal: refusal ?? tokenizerRefusal)]
        if let configuration {
            parts[1].facts += uses(configuration)
            parts.append(.init(key: "shape", facts: shape(configuration)))
        }
        parts.append(.init(storage, elements: configuration?.parameterCount ?? elementCount))
        parts.append(.init(key: "text", facts: text))
        if let configuration { parts.append(.init(key: "memory_to_load", facts: try memory(configuration))) }
        return Inspection(parts: parts)
    }

    private var format: String {
        let files = "\(fileCount) \(fileCount == 1 ? "file" : "files")"
        return isGGUF ? "GGUF, \(files)" : "Hugging Face folder, \(files) of safetensors"
    }

    private func uses(_ model: ModelConfiguration) -> [Inspection.Fact] {
        let llama = canBecomeGGUF ? "yes" : "no: llama.cpp takes other numbers for granted in such models"
        var facts: [Inspection.Fact] = [
            .init("training", .array(["lora", "full"]), "LoRA, or all weights"),
            .init("export_gguf", .bool(canBecomeGGUF), llama),
        ]
        if elementCount > model.parameterCount + (model.tiesEmbeddings ? model.vocabularySize * model.hiddenSize : 0) {
            let rest = elementCount - model.parameterCount
            facts.append(
                .init("passed_over", .integer(rest), "\(counted(rest)) parameters that are no part of the text model"))
        }
        return facts
    }

    private func shape(_ model: ModelConfiguration) -> [Inspection.Fact] {
        let heads = "\(model.headCount) of \(model.headSize), \(model.keyValueHeadCount) for keys and values"
        let headNumbers: JSONValue = .object([
            "query": .integer(model.headCount), "key_value": .integer(model.keyValueHeadCount),
            "size": .integer(model.headSize),
        ])
        var facts: [Inspection.Fact] = [
            .init("layers", model.layerCount), .init("hidden_size", model.hiddenSize),
            .init("intermediate_size", model.intermediateSize), .init("heads", headNumbers, heads),
            .init("vocabulary", model.vocabularySize),
            .init("context", .integer(model.contextLength), "\(model.contextLength) tokens"),
            .init(
                "head", .string(model.tiesEmbeddings ? "tied" : "own"),
                model.tiesEmbeddings ? "the embedding" : "of its own"),
            .init("modules", .array(model.linearModules.map { .string($0.name) }), modules(model)),
            .init("rope", model.rotaryEmbeddings.map(\.words).joined(separator: "; with a window: ")),
        ]
        let windows = model.layers.filter { $0.attention.window != nil }.count
        if let window = model.window {
            let value: JSONValue = .object(["tokens": .integer(window), "layers": .integer(windows)])
            facts.append(.init("window", value, "\(window) tokens in \(windows) of \(model.layerCount) layers"))
        }
        let unrotated = model.layers.filter { $0.rotaryEmbedding == nil }.count
        if unrotated > 0 { facts.append(.init("layers_without_rope", unrotated)) }
        return facts
    }

    private func modules(_ model: ModelConfiguration) -> String {
        let withBias = model.linearModules.filter { module in
            model.layers.contains { $0.modules.contains { $0.module == module && $0.hasBias } }
        }
        let names = model.linearModules.map(\.name).joined(separator: ", ")
        return withBias.isEmpty ? names : "\(names); biases in \(withBias.map(\.name).joined(separator: ", "))"
    }

    private var text: [Inspection.Fact] {
        guard let tokenizer else {
            return [.init("tokenizer", .null, "cannot be used: " + (tokenizerRefusal ?? ""))]
        }
        func name(_ token: Int32?) -> JSONValue { token.flatMap { tokenizer.token($0) }.map(JSONValue.string) ?? .null }
        let added = tokenizer.addedVocabulary.count
        let size: JSONValue = .object(["tokens": .integer(tokenizer.vocabularySize), "added": .integer(added)])
        let ends = Set((configuration?.endTokens ?? []) + [tokenizer.endToken].compactMap(\.self)).sorted()
        let endNames = ends.map { tokenizer.token($0) ?? String($0) }
        var facts: [Inspection.Fact] = [
            .init("tokenizer", size, "\(tokenizer.vocabularySize) tokens, \(added) of them added"),
            .init("end_tokens", .array(endNames.map(JSONValue.string)), endNames.joined(separator: ", ")),
            .init("bos_token", name(tokenizer.bosToken), tokenizer.bosToken.flatMap { tokenizer.token($0) } ?? "none"),
        ]
        guard let template = tokenizer.chatTemplate else {
            return facts + [.init("chat_template", .null, "none: prompts are texts (--raw), not conversations")]
        }
        let reads = ["tools", "enable_thinking", "documents"].filter(tokenizer.templateReads)
        let note = reads.isEmpty ? "" : ", reads \(reads.joined(separator: ", "))"
        let value: JSONValue = .object([
            "characters": .integer(template.count), "reads": .array(reads.map(JSONValue.string)),
        ])
        facts.append(.init("chat_template", value, "\(template.count) characters\(note)"))
        return facts
    }

    private func memory(_ model: ModelConfiguration) throws -> [Inspection.Fact] {
        let backend = try CPUBackend(threads: 1)
        return try WeightPrecision.allCases.reversed().map { precision in
            let bytes = try MemoryPlan.weightBytes(of: model, precision, backend: backend)
            return .init(precision.rawValue, .integer(bytes), sized(bytes))
        }
    }
}

extension RotaryEmbedding {
    /// The embedding in a few words.
    fileprivate var words: String {
        let base = "theta \(compact(theta)) over \(dimensions) of a head"
        return switch scaling {
        case .none: base
        case .linear(let factor): base + ", linear by \(compact(factor))"
        case .dynamic(let factor, let original, _): base + ", dynamic by \(compact(factor)) beyond \(original) tokens"
        case .llama3(let factor, _, _, let original): base + ", llama3 by \(compact(factor)) beyond \(original) tokens"
        case .divisors: base + ", divisors in the file"
        case .yarn(let yarn): base + ", yarn by \(compact(yarn.factor)) beyond \(yarn.original) tokens"
        case .long(let long): base + ", longrope beyond \(long.original) tokens"
        }
    }
}
