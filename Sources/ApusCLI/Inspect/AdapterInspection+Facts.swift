import Apus

extension AdapterInspection {
    /// Everything there is to say of the adapter, and whether it fits a model if one is given.
    func inspection(model: String?) -> Inspection {
        var facts: [Inspection.Fact] = [
            .init("path", path), .init("size", .integer(byteCount), sized(byteCount)),
            .init("base_model", configuration?.baseModel ?? "not named"),
            .init("adapted_modules", moduleCount),
        ]
        if let configuration { facts += shape(configuration) }
        if !otherTensors.isEmpty {
            let shown = otherTensors.prefix(3).joined(separator: ", ") + (otherTensors.count > 3 ? ", ..." : "")
            facts.append(
                .init("other_tensors", .array(otherTensors.map(JSONValue.string)), "\(otherTensors.count): \(shown)"))
        }
        let reason = refusal ?? model.flatMap(misfit(with:))
        var use = Inspection.Part(refusal: reason)
        if model == nil, refusal == nil {
            use.facts.append(.init("note", "--model MODEL says whether it fits that model"))
        }
        return Inspection(parts: [.init(key: "adapter", facts: facts), use, .init(storage, elements: elementCount)])
    }

    private func shape(_ adapter: LoRAConfiguration) -> [Inspection.Fact] {
        let scale = Double(self.scale ?? 0)
        let rule = adapter.usesRSLoRA ? "rsLoRA: alpha / sqrt(r)" : "alpha / r"
        var facts: [Inspection.Fact] = [
            .init("rank", adapter.rank), .init("alpha", .number(adapter.alpha), compact(adapter.alpha)),
            .init("scale", .number(scale), "\(compact(scale)) (\(rule))"),
            .init(
                "target_modules", .array(adapter.targetModules.map(JSONValue.string)),
                adapter.targetModules.joined(separator: ", ")),
        ]
        if let layers = adapter.layersToTransform {
            let numbers = layers.map(String.init).joined(separator: ", ")
            facts.append(.init("layers_to_transform", .array(layers.map(JSONValue.integer)), numbers))
        }
        if hasPatterns { facts.append(.init("patterns", .bool(true), "some modules have another rank or alpha")) }
        return facts
    }
}
