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

    /// The line without colour.
    var text: String { parts.joined(separator: "  ") }

    /// The line with its step and reward in bold.
    var coloredText: String {
        guard parts.count > 1 else { return text }
        let rest = parts.dropFirst(2).joined(separator: "  ")
        return "\u{1B}[1m\(parts[0])  \(parts[1])\u{1B}[0m  \(rest)"
    }

    private var parts: [String] {
        [
            "step \(padded(step, like: stepCount))/\(stepCount)", reward, value("length", "completions/mean_length", 1),
            value("kl", "kl", 4), value("entropy", "entropy", 3), value("grad", "grad_norm", 3),
            metrics["learning_rate"].map { "lr \(scientific($0))" }, speed,
            metrics["step_time"].map { "\(fixed($0, 1)) s" }, secondsLeft.map { "left \(timeSpan($0))" },
        ].compactMap { $0 }
    }

    private var reward: String? {
        guard let total = metrics["reward"] else { return nil }
        let each = rewardNames.compactMap { name in
            metrics["rewards/\(name)/mean"].map { "\(Self.short(name)) \(fixed($0, 2))" }
        }
        return "reward \(fixed(total, 3))" + (each.count < 2 ? "" : " (\(each.joined(separator: ", ")))")
    }

    private var speed: String? {
        tokensPerSecond.map { "\(fixed($0, 0)) tok/s" }
    }

    private func value(_ label: String, _ metric: String, _ digits: Int) -> String? {
        metrics[metric].map { "\(label) \(fixed($0, digits))" }
    }

    private func padded(_ number: Int, like widest: Int) -> String {
        let digits = String(number)
        return String(repeating: " ", count: max(0, String(widest).count - digits.count)) + digits
    }

    /// A reward's name without the ending that every one of the tutorial's has.
    private static func short(_ name: String) -> String {
        name.hasSuffix("_reward_func") ? String(name.dropLast("_reward_func".count)) : name
    }
}
