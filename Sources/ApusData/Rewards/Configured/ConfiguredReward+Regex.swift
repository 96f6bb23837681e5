import ApusText

extension ConfiguredReward {
    /// Steps of matching that stand for a second: the slowest patterns take no more time than that, and a limit that is counted
    /// decides the same on every machine.
    private static let stepsPerSecond = 20_000_000.0

    static func regex(
        _ label: String, _ parameters: inout RewardParameters
    ) throws(RewardParameterError) -> any RewardFunction {
        let scores = try Scores(&parameters)
        guard let source = try parameters.text("pattern") else { throw RewardParameterError("needs a pattern") }
        let anchor = try parameters.choice("match", PythonPattern.Anchor.self) ?? .search
        var flags: PythonPattern.Flags = []
        if try parameters.flag("dotall") == true { flags.insert(.dotAll) }
        if try parameters.flag("multiline") == true { flags.insert(.multiline) }
        if try parameters.flag("ignore_case") == true { flags.insert(.ignoreCase) }
        let seconds = (try parameters.seconds("timeout") ?? .seconds(5)) / .seconds(1)
        let steps = max(1, (stepsPerSecond * seconds).wholeNumber(in: 0...Int.max))
        let pattern: PythonPattern
        do {
            pattern = try PythonPattern(source, flags: flags)
        } catch {
            throw RewardParameterError("pattern cannot be used: \(error)")
        }
        return Reward(label, aim: scores.aim(.form)) { completion, _ in
            scores.of(try pattern.matches(completion, anchor, steps: steps))
        }
    }
}
