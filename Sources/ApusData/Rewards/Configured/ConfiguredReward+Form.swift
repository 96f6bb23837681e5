import ApusTables

extension ConfiguredReward {
    static func xml(
        _ label: String, _ parameters: inout RewardParameters
    ) throws(RewardParameterError) -> any RewardFunction {
        let scores = try Scores(&parameters)
        let tags = try parameters.names("tags") ?? ["reasoning", "answer"]
        let isStrict = try parameters.flag("strict") ?? false
        if let bad = tags.first(where: { $0.contains { "<>/ \t\n".contains($0) } }) {
            throw RewardParameterError("tags must be names without brackets, found '\(bad.onOneLine)'")
        }
        return Reward(label, aim: scores.aim(.form)) { completion, _ in
            let text = PythonText(completion)
            if isStrict { return scores.of(isExactly(tags, text)) }
            let share = Double(tags.count { element($0, in: text) != nil }) / Double(tags.count)
            return scores.otherwise + (scores.score - scores.otherwise) * share
        }
    }

    /// Where the element stands whose tags occur once each, the closing one last.
    private static func element(_ tag: String, in text: PythonText) -> Range<Int>? {
        let opening = text.ranges(of: "<\(tag)>")
        let closing = text.ranges(of: "</\(tag)>")
        guard opening.count == 1, closing.count == 1, opening[0].upperBound <= closing[0].lowerBound else { return nil }
        return opening[0].lowerBound..<closing[0].upperBound
    }

    /// Whether the text is these elements in order, with nothing but white space around them.
    private static func isExactly(_ tags: [String], _ text: PythonText) -> Bool {
        var position = text.codePoints.startIndex
        for tag in tags {
            guard let element = element(tag, in: text), element.lowerBound >= position,
                text.codePoints[position..<element.lowerBound].allSatisfy(\.isPythonSpace)
            else { return false }
            position = element.upperBound
        }
        return text.codePoints[position...].allSatisfy(\.isPythonSpace)
    }

    /// What the length of a completion is counted in.
    enum LengthUnit: String, CaseIterable {
        case tokens
        case characters
        case words
    }

    static func length(
        _ label: String, _ parameters: inout RewardParameters
    ) throws(RewardParameterError) -> any RewardFunction {
        let scores = try Scores(&parameters)
        let unit = try parameters.choice("unit", LengthUnit.self) ?? .tokens
        let target = try parameters.size("target")
        let least = try parameters.size("min")
        let most = try parameters.size("max")
        let margin = try parameters.size("margin")
        guard target != nil || least != nil || most != nil else {
            throw RewardParameterError("needs target, min or max")
        }
        guard target == nil || (least == nil && most == nil) else {
            throw RewardParameterError("takes either target or min and max, found both")
        }
        if let least, let most, least > most {
            throw RewardParameterError("min must be at most max, found \(least) and \(most)")
        }
        return LengthReward(
            name: label, scores: scores, unit: unit, range: (target ?? least ?? 0)...(target ?? most ?? .infinity),
            margin: margin ?? target ?? 0)
    }
}

/// Pays for a length within a range, and less the farther outside it is: nothing from `margin` on.
private struct LengthReward: RewardFunction {
    let name: String
    let scores: ConfiguredReward.Scores
    let unit: ConfiguredReward.LengthUnit
    let range: ClosedRange<Double>
    let margin: Double
    var aim: RewardAim? { scores.aim(.form) }

    func scores(_ context: RewardContext) -> [Double?] {
        context.completions.indices.map { index in
            let length = Double(length(of: index, context))
            let excess = max(range.lowerBound - length, length - range.upperBound, 0)
            let share = excess == 0 ? 1 : margin > 0 ? max(0, 1 - excess / margin) : 0
            return scores.otherwise + (scores.score - scores.otherwise) * share
        }
    }

    private func length(of index: Int, _ context: RewardContext) -> Int {
        switch unit {
        case .tokens: context.completionTokens[index].count
        case .characters: context.completions[index].unicodeScalars.count
        case .words: context.completions[index].split(whereSeparator: \.isWhitespace).count
        }
    }
}
