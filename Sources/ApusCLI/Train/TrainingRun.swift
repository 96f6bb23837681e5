import Apus
import Foundation

/// One `apus train`: loads what the configuration names, trains, and says how it ended.
struct TrainingRun {
    let configuration: RunConfiguration
    /// Whether the display shows the beginning of a completion.
    var showsCompletion = false
    private var settings: RunSettings { configuration.settings }

    init(_ configuration: RunConfiguration) {
        self.configuration = configuration
    }

    /// - Throws: `CommandFailure` unless the run went to its end.
    func run() async throws {
        let rewards = try failing(as: .badInput) {
            try RewardSuite(
                settings.rewardFunctions, python: configuration.pythonOptions,
                failure: configuration.trainer.rewardFailure)
        }
        defer { rewards.stop() }
        let trainer = try await prepare(rewards)
        let display = TrainingDisplay(options: displayOptions)
        defer { display.finish() }
        trainer.onEvent = { display.show($0) }
        let signals = StopSignals(trainer.stopSignal)
        let outcome: TrainingOutcome
        do {
            outcome = try await trainer.run()
        } catch {
            throw CommandFailure(training: error)
        }
        let end = RunEnd(
            outcome: outcome, checkpoint: display.lastCheckpoint, canGoOn: !configuration.trainer.output.saveOnlyModel)
        try end.failIfStopped(by: signals)
        if let accuracy = end.accuracy { Terminal.printLine("\n\(accuracy.text)\n\(accuracy.verdict)\n") }
        end.whatNext(settings).map(Terminal.printLine)
    }

    private var displayOptions: TrainingDisplay.Options {
        let trainer = configuration.trainer
        return TrainingDisplay.Options(
            showsCompletion: showsCompletion,
            completionsToPrint: trainer.logCompletions
                ? trainer.numCompletionsToPrint ?? CompletionsTable.defaultLimit : nil,
            printsPromptsOnce: trainer.logUniquePrompts)
    }

    /// Data first, then weights: what is wrong shows before anything takes long.
    private func prepare(_ suite: RewardSuite) async throws -> GRPOTrainer {
        let (dataset, evaluation) = try failing(as: .badInput) { try configuration.makeDatasets() }
        try await check(suite, on: dataset)
        return try failing(as: .badInput) {
            let rewards = suite.functions
            let model = try ModelLoading.model(
                path: settings.model, precision: settings.precision, threads: settings.threads,
                usesCache: settings.usesWeightCache)
            let adapter = try makeAdapter(for: model)
            Terminal.printLine(summary(model, adapter, dataset, rewards))
            if let evaluation { Terminal.printLine("evaluate \(evaluation.count) prompts") }
            return try GRPOTrainer(
                model: model, adapter: adapter, reference: makeReference(for: model), dataset: dataset,
                evaluationDataset: evaluation, rewards: rewards, configuration: configuration.trainer)
        }
    }

    /// Calls the rewards once, so that what cannot work shows now.
    private func check(_ rewards: RewardSuite, on dataset: Dataset) async throws {
        guard let sample = dataset.samples.first else { return }
        do {
            try await rewards.start()
            for failure in try await rewards.check(on: sample) {
                Terminal.complain("tried on the first sample: \(failure)")
            }
        } catch let error as RewardError {
            throw CommandFailure(.badInput, "tried on the first sample: \(error)")
        } catch {
            throw CommandFailure(.badInput, "reward_funcs: \(error)")
        }
    }

    private func makeAdapter(for model: LanguageModel) throws -> LoRAAdapter {
        if let adapter = settings.adapter { return try ModelLoading.adapter(path: adapter, for: model) }
        return try LoRAAdapter(settings.loraConfiguration, for: model, seed: UInt64(configuration.trainer.seed))
    }

    /// A run that goes on from an adapter is held to what it began with, as TRL holds it: to a copy that stays as it is.
    private func makeReference(for model: LanguageModel) throws -> LoRAAdapter? {
        guard configuration.trainer.beta != 0, let adapter = settings.adapter else { return nil }
        return try LoRAAdapter(directory: URL(filePath: adapter), for: model)
    }

    private func summary(
        _ model: LanguageModel, _ adapter: LoRAAdapter, _ dataset: Dataset, _ rewards: [any RewardFunction]
    ) -> String {
        """
        model    \(settings.model) (\(settings.precision.rawValue))
        adapter  \(settings.adapter ?? "rank \(settings.loraRank), alpha \(compact(settings.loraAlpha))"), \
        \(adapter.parameterCount) parameters
        data     \(settings.dataset), \(dataset.count) prompts
        rewards  \(StepLine.legend(rewards.map(\.name)))
        """
    }
}
