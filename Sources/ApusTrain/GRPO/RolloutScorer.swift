import ApusData
import ApusGeneration

/// Samples completions and has the reward functions score them, for training and for evaluation alike.
final class RolloutScorer {
    /// What is sampled at a time: so many completions of each prompt, by these numbers.
    struct Request {
        var groupSize: Int
        /// Keys the random numbers: equal ordinals repeat.
        var ordinal: Int
        var sampling: SamplingParameters
        /// Whether the completions before are still to be trained on, with these.
        var continuesBatch = false
    }

    /// Groups with their scores, and what else the functions told.
    struct Scored {
        var groups: [Rollout.Group]
        /// What the functions logged themselves, in TRL's order.
        var logged: [(name: String, value: Double)]
        /// How many completions each function failed on, where the run goes on without them.
        var failures: [(name: String, value: Double)]
        var table: RewardTable
    }

    let rewards: [any RewardFunction]
    private let configuration: GRPOConfiguration
    private let sampler: any Sampler
    private let tokenizer: any PromptTokenizer
    private let loop: RunLoop
    /// Reward functions that failed: which were told of, and for how many generations in a row each was broken.
    private var failing = FailingRewards()
    /// Whether this run has said that memory is short: once is enough.
    private var hasToldOfShortfall = false

    init(
        _ configuration: GRPOConfiguration, sampler: any Sampler, tokenizer: any PromptTokenizer,
        rewards: [any RewardFunction], loop: RunLoop
    ) {
        self.configuration = configuration
        self.sampler = sampler
        self.tokenizer = tokenizer
        self.rewards = rewards
        self.loop = loop
    }

    /// The text of some tokens.
    func text(of tokens: [Int32]) -> String { tokenizer.text(of: tokens) }

    /// The numbers by which training samples.
    var samplingParameters: SamplingParameters {
        SamplingParameters(
            temperature: Float(configuration.temperature), topK: configuration.topK, topP: Float(configuration.topP),
            minP: Float(configuration.minP ?? 0), repetitionPenalty: Float(configuration.repetitionPenalty),
            maxNewTokens: configuration.maxCompletionLength, stop: configuration.stop,
            seed: UInt64(configuration.seed))
    }

    /// Completions of some prompts, `[prompt][completion]`.
    /// - Parameter action: what messages call it.
    nonisolated(nonsending) func sample(
        _ prompts: [[Int32]], _ request: Request, _ action: String, onToken: () -> Void
    ) async throws -> [[Completion]] {
        let completions: [[Completion]]
        do {
            completions = try await sampler.generate(
                prompts, groupSize: request.groupSize, step: request.ordinal, sampling: request.sampling,
                continuesBatch: request.continuesBatch, onToken: onToken)
        } catch {
            throw TrainingError.model(failedTo: action, step: loop.step + 1, error)
        }
        if !hasToldOfShortfall, let shortfall = sampler.memoryShortfall {
            hasToldOfShortfall = true
            loop.tell(.notice(shortfall))
        }
        guard completions.count == prompts.count, completions.allSatisfy({ $0.count == request.groupSize }) else {
            throw TrainingError(.policy, "the sampler did not return \(request.groupSize) completions for each prompt")
        }
        return completions
    }

    /// The completions of some samples with the scores of all functions.
    /// - Parameters:
    ///   - samples: with their indices in the data set and their prompts' tokens.
    ///   - moment: what messages call it.
    /// - Throws: ``TrainingError`` when a function fails and the run is to stop then.
    nonisolated(nonsending) func score(
        _ samples: [(index: Int, sample: Sample, prompt: [Int32])], _ completions: [[Completion]], at moment: String
    ) async throws -> Scored {
        let rows = completions.flatMap(\.self)
        let context = RewardContext(
            samples: zip(samples, completions).flatMap { sample, group in group.map { _ in sample.sample } },
            completions: rows.map { tokenizer.text(of: $0.tokens) }, completionTokens: rows.map(\.tokens),
            globalStep: loop.step, maxSteps: loop.extent.maxSteps, epoch: loop.state.counters.epoch)
        let table = try await rewardTable(context, at: moment)
        let matrix = table.matrix
        var begin = 0
        let groups = zip(samples, completions).map { sample, completions in
            let rows = begin..<begin + completions.count
            begin = rows.upperBound
            return Rollout.Group(
                sample: sample.index, prompt: sample.prompt, completions: completions,
                texts: Array(context.completions[rows]), scores: Array(matrix[rows]),
                extraColumns: table.extraColumns.mapValues { Array($0[rows]) })
        }
        let logged = table.metrics.sorted { $0.key < $1.key }.filter { !$0.value.isEmpty }
            .map { (name: $0.key, value: $0.value.mean) }
        return Scored(groups: groups, logged: logged, failures: failureMetrics(table, at: moment), table: table)
    }

    private nonisolated(nonsending) func rewardTable(
        _ context: RewardContext, at moment: String
    ) async throws -> RewardTable {
        do {
            return try await RewardTable(rewards, on: context, failure: configuration.rewardFailure)
        } catch let error as RewardError {
            throw TrainingError(.reward, "\(moment): \(error)")
        }
    }

    /// The advantages of groups, and what else their rewards say.
    func advantages(_ groups: [Rollout.Group], groupSize: Int) -> Advantages {
        Advantages(
            table: groups.table, weights: configuration.rewardWeights ?? rewards.map { _ in 1 },
            groupSize: groupSize, scaling: configuration.scaleRewards,
            aggregation: configuration.multiObjectiveAggregation)
    }

    /// The batch of groups, each completion with its advantage.
    func batch(_ groups: [Rollout.Group], _ advantages: Advantages) -> GenerationBatch {
        var batch = groups.batch(
            sampledAtStep: loop.step, masksTruncated: configuration.maskTruncatedCompletions)
        for row in batch.rows.indices { batch.rows[row].advantage = advantages.values[row] }
        return batch
    }

    /// What TRL logs about the lengths and the rewards of groups.
    func metrics(_ groups: [Rollout.Group], _ advantages: Advantages) -> [(name: String, value: Double)] {
        LengthMetrics.metrics(groups.flatMap(\.completions))
            + RewardMetrics.metrics(table: groups.table, names: rewards.map(\.name), advantages: advantages)
    }

    /// How many completions each function failed on. A function that fails for the first time is told of.
    private func failureMetrics(_ table: RewardTable, at moment: String) -> [(name: String, value: Double)] {
        guard configuration.rewardFailure != .stop else { return [] }
        let consequence = configuration.rewardFailure == .zero ? "get 0" : "have no score"
        return table.names.enumerated().map { function, reward in
            let failures = table.failures.first { $0.function == function }
            if let failures, failing.isNew(reward) {
                loop.tell(
                    .warning(
                        "\(moment): \(failures.first); \(failures.count) of \(table.rows.count) completions \(consequence) "
                            + "from it, and rewards/\(reward)/failures counts on"))
            }
            return ("rewards/\(reward)/failures", Double(failures?.count ?? 0))
        }
    }

    /// Ends the run when a function has been broken for too long.
    /// - Throws: ``TrainingError``.
    func checkFailures(_ table: RewardTable) throws(TrainingError) {
        guard configuration.rewardFailure != .stop else { return }
        for (function, name) in table.names.enumerated() {
            let failures = table.failures.first { $0.function == function }
            let isBroken = Double(failures?.count ?? 0) > configuration.rewardFailureLimit * Double(table.rows.count)
            let streak = failing.streak(of: name, isBroken: isBroken)
            if let failures, streak >= configuration.rewardFailureBatches {
                throw TrainingError(
                    .reward,
                    "step \(loop.step + 1): \(failures.first); it failed on more than reward_failure_limit "
                        + "\(configuration.rewardFailureLimit) of the completions \(streak) times in a row "
                        + "(reward_failure_batches)")
            }
        }
    }
}

/// Which reward functions fail, and for how long.
private struct FailingRewards {
    private var told: Set<String> = []
    private var streaks: [String: Int] = [:]

    /// Whether nobody was told yet; asking counts as telling.
    mutating func isNew(_ name: String) -> Bool { told.insert(name).inserted }

    /// Generations in a row, up to this one, in which the function was broken.
    mutating func streak(of name: String, isBroken: Bool) -> Int {
        let streak = isBroken ? streaks[name, default: 0] + 1 : 0
        streaks[name] = streak
        return streak
    }
}

extension RewardTable {
    /// `[row][function]`, NaN where a function has no score.
    fileprivate var matrix: [[Double]] { rows.map { $0.map { $0 ?? .nan } } }
}
