/// Watches the log lines of a run for the ways in which GRPO goes wrong without an error.
///
/// Log lines go in, warnings come out: one for each trouble when it has lasted long enough, and another one only after the
/// trouble was over in between. The state is a function of the lines seen, so a continued run that feeds the lines of its
/// history first repeats no warning.
public struct TrainingMonitor: Sendable {
    /// When a trouble is worth a warning. Steps are counted from line to line, whatever `logging_steps` is.
    public struct Thresholds: Sendable, Equatable {
        /// Steps in which every group's rewards were equal (`frac_reward_zero_std` 1).
        public var equalRewardSteps = 20
        /// Steps in which every completion reached the length limit (`completions/clipped_ratio` 1).
        public var truncatedSteps = 5
        /// Steps in which a reward function gave 0 to every completion.
        public var silentRewardSteps = 20
        /// Entropy in nats below which sampling has all but one choice left…
        public var collapsedEntropy = 0.02
        /// …and the share of the run's first entropy that it must have fallen below: a model may begin that sure.
        public var collapsedShare = 0.25
        /// Steps for which entropy must stay that low.
        public var collapsedSteps = 10
        /// The mean KL estimate in nats a token above which the policy has left the reference.
        public var excessiveKL = 1.0
        /// Steps for which the KL estimate must stay that high.
        public var excessiveKLSteps = 3
        /// Steps whose gradient was 0 although some group's rewards differed.
        public var zeroGradientSteps = 3
        /// The share of the first finished completions' length below which the model has given up its working…
        public var collapsedLengthShare = 0.3
        /// …and for how many steps.
        public var collapsedLengthSteps = 5
        /// How far the accuracy of an evaluation may fall below the first one's while the reward rises.
        public var accuracyFall = 0.1

        /// The defaults.
        public init() {}
    }

    private enum Trouble: Hashable {
        case equalRewards, truncation, silentReward(String), entropy, kl, zeroGradient, length, accuracy
    }

    /// One trouble's run of log lines.
    private struct Episode {
        /// The step before the first line that showed it.
        var since: Int
        var isTold = false
    }

    /// What a log line says about a trouble. Neither keeps things as they are: a metric without a value, or one between
    /// trouble and health.
    private enum Sign { case present, absent, neither }

    private let thresholds: Thresholds
    private var lastStep = 0
    private var firstEntropy: Double?
    private var firstLength: Double?
    private var firstEvaluation: MetricsRecord?
    private var episodes: [Trouble: Episode] = [:]

    /// A monitor that has seen nothing.
    public init(thresholds: Thresholds = Thresholds()) { self.thresholds = thresholds }

    /// Takes the next log line, of training or of an evaluation.
    /// - Returns: what the user should hear about it, one line each; mostly nothing.
    public mutating func observe(_ record: MetricsRecord) -> [String] {
        if record.isEvaluation {
            let first = firstEvaluation ?? record
            firstEvaluation = first
            let isTold = lasting(.accuracy, accuracy(record, first), record.step, 0) != nil
            return isTold ? [accuracyText(record, first)] : []
        }
        defer { lastStep = record.step }
        if firstEntropy == nil { firstEntropy = record["entropy"] }
        if firstLength == nil { firstLength = finishedLength(record) }
        let warnings = [
            lasting(.equalRewards, equalRewards(record), record.step, thresholds.equalRewardSteps).map(
                equalRewardsText),
            lasting(.truncation, truncation(record), record.step, thresholds.truncatedSteps).map(truncationText),
            silentRewards(record),
            lasting(.entropy, entropy(record), record.step, thresholds.collapsedSteps).map { entropyText($0, record) },
            lasting(.kl, kl(record), record.step, thresholds.excessiveKLSteps).map { klText($0, record) },
            lasting(.zeroGradient, zeroGradient(record), record.step, thresholds.zeroGradientSteps)
                .map(zeroGradientText),
            lasting(.length, length(record), record.step, thresholds.collapsedLengthSteps).map {
                lengthText($0, record)
            },
        ]
        return warnings.compactMap { $0 }
    }

    /// Follows an episode.
    /// - Returns: how many steps it lasts, when that is to be told now.
    private mutating func lasting(_ trouble: Trouble, _ sign: Sign, _ step: Int, _ patience: Int) -> Int? {
        switch sign {
        case .neither: return nil
        case .absent:
            episodes[trouble] = nil
            return nil
        case .present:
            var episode = episodes[trouble] ?? Episode(since: lastStep)
            defer { episodes[trouble] = episode }
            guard !episode.isTold, step - episode.since >= patience else { return nil }
            episode.isTold = true
            return step - episode.since
        }
    }

    // MARK: Signs

    private func equalRewards(_ record: MetricsRecord) -> Sign {
        record["frac_reward_zero_std"].map { $0 >= 1 ? .present : .absent } ?? .neither
    }

    private func truncation(_ record: MetricsRecord) -> Sign {
        record["completions/clipped_ratio"].map { $0 >= 1 ? .present : .absent } ?? .neither
    }

    private func entropy(_ record: MetricsRecord) -> Sign {
        guard let entropy = record["entropy"], let first = firstEntropy else { return .neither }
        let limit = thresholds.collapsedEntropy
        if entropy < limit && entropy < thresholds.collapsedShare * first { return .present }
        // A value that moves about the limit is one episode.
        return entropy > 2 * limit ? .absent : .neither
    }

    private func kl(_ record: MetricsRecord) -> Sign {
        guard let kl = record["kl"] else { return .neither }
        if kl > thresholds.excessiveKL { return .present }
        return kl < thresholds.excessiveKL / 2 ? .absent : .neither
    }

    private func zeroGradient(_ record: MetricsRecord) -> Sign {
        guard let norm = record["grad_norm"], let equal = record["frac_reward_zero_std"] else { return .neither }
        // The norm is of the last step, the share the mean of all steps of the line.
        return norm == 0 && equal <= 0.5 ? .present : .absent
    }

    /// Of the completions that ended by themselves: one that was cut off says nothing about how long answers are.
    private func finishedLength(_ record: MetricsRecord) -> Double? {
        record["completions/mean_terminated_length"].flatMap { $0 > 0 ? $0 : nil }
    }

    private func length(_ record: MetricsRecord) -> Sign {
        guard let length = finishedLength(record), let first = firstLength else { return .neither }
        let limit = thresholds.collapsedLengthShare * first
        if length < limit { return .present }
        // A value that moves about the limit is one episode.
        return length > 1.5 * limit ? .absent : .neither
    }

    private func accuracy(_ record: MetricsRecord, _ first: MetricsRecord) -> Sign {
        guard let now = record["eval_accuracy/lenient"], let before = first["eval_accuracy/lenient"],
            let reward = record["eval_reward"], let firstReward = first["eval_reward"]
        else { return .neither }
        return reward > firstReward && now < before - thresholds.accuracyFall ? .present : .absent
    }

    /// One warning for all functions whose silence is to be told now.
    private mutating func silentRewards(_ record: MetricsRecord) -> String? {
        let means = record.entries.filter { $0.name.hasPrefix("rewards/") && $0.name.hasSuffix("/mean") }
        var silent: [String] = []
        var steps = 0
        for entry in means {
            let name = String(entry.name.dropFirst("rewards/".count).dropLast("/mean".count))
            let spread = record["rewards/\(name)/std"] ?? 0
            let sign: Sign = entry.value.map { $0 == 0 && spread == 0 ? .present : .absent } ?? .neither
            if let lasted = lasting(.silentReward(name), sign, record.step, thresholds.silentRewardSteps) {
                silent.append(name)
                steps = max(steps, lasted)
            }
        }
        guard !silent.isEmpty else { return nil }
        let subject = silent.count == 1 ? "reward function \(silent[0])" : "reward functions \(list(silent))"
        return
            "\(subject) gave 0 to every completion for \(steps) steps: the model never earns it, so it teaches nothing; "
            + "look at the completions (log_completions: true), make it easier, or give partial credit"
    }

    private func list(_ names: [String]) -> String {
        names.dropLast().joined(separator: ", ") + " and " + (names.last ?? "")
    }

    // MARK: Texts

    private func equalRewardsText(_ steps: Int) -> String {
        "for \(steps) steps the rewards in every group were equal (frac_reward_zero_std 1, healthy below 0.8): nothing is "
            + "learned; use prompts of another difficulty, raise temperature or num_generations, or grade more finely; "
            + "stop_after_equal_rewards ends such a run"
    }

    private func truncationText(_ steps: Int) -> String {
        "for \(steps) steps every completion was cut off at max_completion_length (completions/clipped_ratio 1, healthy "
            + "below 0.3): answers never end; raise max_completion_length, or check that the chat template and its end "
            + "token are the model's"
    }

    private func entropyText(_ steps: Int, _ record: MetricsRecord) -> String {
        "entropy has been below \(thresholds.collapsedEntropy) for \(steps) steps (began at \(short(firstEntropy)), now "
            + "\(short(record["entropy"])), healthy 0.05 to 0.5): the model says one thing only, and groups of equal answers "
            + "teach nothing; lower learning_rate, raise temperature or epsilon_high, or set entropy_coef"
    }

    private func klText(_ steps: Int, _ record: MetricsRecord) -> String {
        "kl has been above \(thresholds.excessiveKL) for \(steps) steps (now \(short(record["kl"])), healthy below 0.5): "
            + "the policy has left the model it began as; lower learning_rate or max_grad_norm, raise beta, or go back to an "
            + "earlier checkpoint"
    }

    private func zeroGradientText(_ steps: Int) -> String {
        "for \(steps) steps the gradient was 0 although rewards differed (grad_norm 0, healthy 0.001 to 1): nothing is "
            + "learned; look for mask_truncated_completions with every completion cut off, reward_weights of 0, or an "
            + "off_policy_mask_threshold that drops all"
    }

    private func lengthText(_ steps: Int, _ record: MetricsRecord) -> String {
        "for \(steps) steps completions have had less than \(Int(100 * thresholds.collapsedLengthShare)) % of their first "
            + "length (completions/mean_terminated_length began at \(short(firstLength)), now "
            + "\(short(finishedLength(record)))): the model may be giving up its working; look at the completions, lower "
            + "learning_rate, let correctness pay more than form (reward_weights), or pay for length"
    }

    private func accuracyText(_ record: MetricsRecord, _ first: MetricsRecord) -> String {
        "at step \(record.step) the reward is higher than in the first evaluation (eval_reward \(short(first["eval_reward"])) "
            + "to \(short(record["eval_reward"]))) and fewer answers are right (eval_accuracy/lenient "
            + "\(short(first["eval_accuracy/lenient"])) to \(short(record["eval_accuracy/lenient"]))): the rewards pay for "
            + "something else than right answers; let correctness pay more than form (reward_weights), or lower learning_rate"
    }

    private func short(_ value: Double?) -> String {
        guard let value else { return "unknown" }
        return "\((value * 10_000).rounded() / 10_000)"
    }
}
