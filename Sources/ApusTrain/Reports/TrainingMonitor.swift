public import ApusData

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
        /// Steps over which shares of rewards and of equal groups are averaged.
        public var averagedSteps = 10
        /// The share of what form can earn above which it is learnt…
        public var solvedFormShare = 0.65
        /// …and the share of what right answers can earn below which they are not…
        public var unsolvedAnswerShare = 0.3
        /// …and for how many steps: form is learnt first in healthy runs too.
        public var unsolvedAnswerSteps = 10
        /// The share of groups whose rewards are equal from which on a run wastes its steps…
        public var equalGroupShare = 0.5
        /// …unless answers earn this share of what they can: then groups agree since they are right…
        public var goodAnswerShare = 0.7
        /// …and for how many steps.
        public var equalGroupSteps = 3

        /// The defaults.
        public init() {}
    }

    private enum Trouble: Hashable {
        case equalRewards, truncation, silentReward(String), entropy, kl, zeroGradient, length, accuracy, form,
            agreement
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
    private let aims: [(name: String, aim: RewardAim)]
    private var recent = RecentShares()
    private var lastStep = 0
    private var firstEntropy: Double?
    private var firstLength: Double?
    private var firstEvaluation: MetricsRecord?
    private var episodes: [Trouble: Episode] = [:]

    /// A monitor that has seen nothing.
    /// - Parameter rewards: the run's functions: what those pay for that say so tells form from answers.
    public init(rewards: [any RewardFunction] = [], thresholds: Thresholds = Thresholds()) {
        self.thresholds = thresholds
        aims = rewards.compactMap { reward in reward.aim.map { (reward.name, $0) } }
    }

    /// Takes the next log line, of training or of an evaluation.
    /// - Returns: what the user should hear about it, one line each; mostly nothing.
    public mutating func observe(_ record: MetricsRecord) -> [String] {
        if record.isEvaluation {
            let first = firstEvaluation ?? record
            firstEvaluation = first
            return lasting(.accuracy, accuracy(record, first), record.step, 0) == nil
                ? [] : [TrainingWarning.accuracy(record, first: first).text]
        }
        defer { lastStep = record.step }
        if firstEntropy == nil { firstEntropy = record["entropy"] }
        if firstLength == nil { firstLength = finishedLength(record) }
        recent.append(shares(record), after: lastStep, within: thresholds.averagedSteps)
        return (troublesOfOneLine(record) + troublesOfSeveralLines(record)).compactMap { $0?.text }
    }

    private mutating func troublesOfOneLine(_ record: MetricsRecord) -> [TrainingWarning?] {
        let step = record.step
        return [
            lasting(.equalRewards, equalRewards(record), step, thresholds.equalRewardSteps).map {
                .equalRewards(steps: $0)
            },
            lasting(.truncation, truncation(record), step, thresholds.truncatedSteps).map { .truncation(steps: $0) },
            silentRewards(record),
            lasting(.entropy, entropy(record), step, thresholds.collapsedSteps).map {
                .entropy(steps: $0, first: firstEntropy, now: record["entropy"], limit: thresholds.collapsedEntropy)
            },
            lasting(.kl, kl(record), step, thresholds.excessiveKLSteps).map {
                .kl(steps: $0, now: record["kl"], limit: thresholds.excessiveKL)
            },
            lasting(.zeroGradient, zeroGradient(record), step, thresholds.zeroGradientSteps).map {
                .zeroGradient(steps: $0)
            },
            lasting(.length, length(record), step, thresholds.collapsedLengthSteps).map {
                .length(
                    steps: $0, first: firstLength, now: finishedLength(record), share: thresholds.collapsedLengthShare)
            },
        ]
    }

    private mutating func troublesOfSeveralLines(_ record: MetricsRecord) -> [TrainingWarning?] {
        guard let mean = recent.mean(over: thresholds.averagedSteps) else { return [] }
        return [
            lasting(.form, form(mean), record.step, thresholds.unsolvedAnswerSteps).map { _ in
                .form(steps: thresholds.averagedSteps, form: mean.form ?? 0, answers: mean.answers ?? 0)
            },
            lasting(.agreement, agreement(mean), record.step, thresholds.equalGroupSteps).map { _ in
                .agreement(steps: thresholds.averagedSteps, groups: mean.equalGroups ?? 0, answers: mean.answers ?? 0)
            },
        ]
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

    private func form(_ mean: RecentShares.Shares) -> Sign {
        guard let form = mean.form, let answers = mean.answers else { return .neither }
        return form >= thresholds.solvedFormShare && answers < thresholds.unsolvedAnswerShare ? .present : .absent
    }

    private func agreement(_ mean: RecentShares.Shares) -> Sign {
        guard let equal = mean.equalGroups, let answers = mean.answers else { return .neither }
        return equal >= thresholds.equalGroupShare && answers < thresholds.goodAnswerShare ? .present : .absent
    }

    /// What a line says about the shares of what can be earned.
    private func shares(_ record: MetricsRecord) -> RecentShares.Shares {
        RecentShares.Shares(
            step: record.step, equalGroups: record["frac_reward_zero_std"], form: share(.form, record),
            answers: share(.answer, record))
    }

    /// The share of what functions of a kind pay at most that completions earned; `nil` without such a function.
    private func share(_ subject: RewardAim.Subject, _ record: MetricsRecord) -> Double? {
        var earned = 0.0
        var most = 0.0
        for (name, aim) in aims where aim.subject == subject && aim.maximum > 0 {
            guard let mean = record["rewards/\(name)/mean"] else { continue }
            earned += mean
            most += aim.maximum
        }
        return most > 0 ? earned / most : nil
    }

    /// One warning for all functions whose silence is to be told now.
    private mutating func silentRewards(_ record: MetricsRecord) -> TrainingWarning? {
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
        return silent.isEmpty ? nil : .silentRewards(silent, steps: steps)
    }
}
