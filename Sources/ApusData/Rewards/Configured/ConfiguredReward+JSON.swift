extension ConfiguredReward {
    /// Where in a completion the JSON stands.
    enum JSONPlace: String, CaseIterable {
        /// The whole text, or the last block between lines of three backquotes where there is one.
        case auto
        /// The whole text.
        case text
        /// Between the tags that `tag` names.
        case tag
    }

    static func jsonSchema(
        _ label: String, _ parameters: inout RewardParameters
    ) throws(RewardParameterError) -> any RewardFunction {
        let scores = try Scores(&parameters)
        guard let members = try parameters.mapping("schema") else { throw RewardParameterError("needs a schema") }
        let schema = try JSONSchema(members)
        // What JSON of another form earns, so that a model can learn one thing after the other.
        let wellFormed = try parameters.number("well_formed") ?? scores.otherwise
        let tag = try parameters.text("tag")
        let place = try parameters.choice("extract", JSONPlace.self) ?? (tag == nil ? .auto : .tag)
        return Reward(label, aim: scores.aim(.form)) { completion, _ in
            guard let text = json(in: PythonText(completion), place, tag ?? "answer"),
                let value = try? JSONValue(json: text.utf8)
            else { return scores.otherwise }
            return schema.accepts(value) ? scores.score : wellFormed
        }
    }

    private static func json(in text: PythonText, _ place: JSONPlace, _ tag: String) -> String? {
        switch place {
        case .text: return text.string
        case .tag: return text.contains("<\(tag)>") ? text.afterLast("<\(tag)>").beforeFirst("</\(tag)>").string : nil
        case .auto:
            let lines = text.lines
            let fences = lines.indices.filter { lines[$0].stripped.string.hasPrefix("```") }
            guard fences.count >= 2 else { return text.string }
            let block = lines[(fences[fences.count - 2] + 1)..<fences[fences.count - 1]]
            return block.map(\.string).joined(separator: "\n")
        }
    }
}
