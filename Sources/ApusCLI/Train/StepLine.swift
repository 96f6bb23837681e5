/// The line that a log step is to a reader: reward first, since that is what shows progress.
struct StepLine {
    let step: Int
    let stepCount: Int
    /// Metrics by TRL's names; a metric without a finite value is absent.
    let metrics: [String: Double]
    /// Names of the reward functions, in order.
    let rewardNames: [String]
    /// Prompt and completion tokens by wall-clock time since the last line; nil when it is not known.
    var tokensPerSecond: Double?
    /// What is left of the run at the pace so far; nil when nothing is.
    var secondsLeft: Double?

    /// The parts of a line, in the order they are shown.
    private enum Part: CaseIterable {
        case step, reward, functions, length, kl, entropy, gradient, learningRate, speed, time, left
    }

    /// What stays when a line must fit: the earlier, the longer.
    private static let byImportance: [Part] = [
        .step, .reward, .length, .functions, .time, .left, .kl, .gradient, .entropy, .learningRate, .speed,
    ]

    /// The line without colour, of at most `columns` characters if it can be; nil for no limit, as in a file.
    func text(columns: Int? = nil) -> String { parts(columns).joined(separator: "  ") }

    /// The line with its step and reward in bold.
    func styled(columns: Int? = nil) -> StyledLine {
        let parts = parts(columns)
        var line = StyledLine(parts.prefix(2).joined(separator: "  "), .bold)
        for part in parts.dropFirst(2) { line.append("  " + part) }
        return line
    }

    /// The names that the numbers in brackets belong to, for a terminal too narrow to repeat them with each step.
    static func legend(_ rewardNames: [String]) -> String {
        rewardNames.map(short).joined(separator: ", ")
    }

    private func parts(_ columns: Int?) -> [String] {
        // Names are in the legend already: they must not cost another part its place.
        let named = fitting(columns ?? .max, namesFunctions: true)
        let unnamed = fitting(columns ?? .max, namesFunctions: false)
        let texts = named.keys == unnamed.keys ? named : unnamed
        return Part.allCases.compactMap { texts[$0] }
    }

    private func fitting(_ columns: Int, namesFunctions: Bool) -> [Part: String] {
        var texts: [Part: String] = [:]
        var width = -2
        for part in Self.byImportance {
            guard let text = text(of: part, namesFunctions: namesFunctions) else { continue }
            guard width + 2 + text.count <= columns || part == .step || part == .reward else { continue }
            width += 2 + text.count
            texts[part] = text
        }
        return texts
    }

    private func text(of part: Part, namesFunctions: Bool) -> String? {
        switch part {
        case .step: "step \(padded(step, like: stepCount))/\(stepCount)"
        case .reward: value("reward", "reward", 3)
        case .functions: functions(named: namesFunctions)
        case .length: value("length", "completions/mean_length", 1)
        case .kl: value("kl", "kl", 4)
        case .entropy: value("entropy", "entropy", 3)
        case .gradient: value("grad", "grad_norm", 3)
        case .learningRate: metrics["learning_rate"].map { "lr \(scientific($0))" }
        case .speed: tokensPerSecond.map { "\(fixed($0, 0)) tok/s" }
        case .time: metrics["step_time"].map { "\(fixed($0, 1)) s" }
        case .left: secondsLeft.map { "left \(timeSpan($0))" }
        }
    }

    /// The mean of each reward function, when there are several.
    private func functions(named: Bool) -> String? {
        let means = rewardNames.compactMap { name in
            metrics["rewards/\(name)/mean"].map { (name: Self.short(name), text: fixed($0, 2)) }
        }
        guard means.count > 1 else { return nil }
        let separator = named ? ", " : " "
        return "(\(means.map { named ? "\($0.name) \($0.text)" : $0.text }.joined(separator: separator)))"
    }

    private func value(_ label: String, _ metric: String, _ digits: Int) -> String? {
        metrics[metric].map { "\(label) \(fixed($0, digits))" }
    }

    private func padded(_ number: Int, like widest: Int) -> String {
        let digits = String(number)
        return String(repeating: " ", count: max(0, String(widest).count - digits.count)) + digits
    }

    /// A reward's name without the ending that every one of the tutorial's has.
    static func short(_ name: String) -> String {
        name.hasSuffix("_reward_func") ? String(name.dropLast("_reward_func".count)) : name
    }
}
