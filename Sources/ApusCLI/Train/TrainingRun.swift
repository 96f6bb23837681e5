import Apus
import Foundation

/// One `apus train`: loads what the configuration names, trains, and says how it ended.
struct TrainingRun {
    let configuration: RunConfiguration
    /// Whether what goes on within a step is shown, and with it a completion.
    var showsProgress = true
    var showsCompletion = false
    private var settings: RunSettings { configuration.settings }

    init(_ configuration: RunConfiguration) {
        self.configuration = configuration
    }

    /// - Throws: `CommandFailure` unless the run went to its end.
    func run() async throws {
        let trainer = try prepare()
        let display = TrainingDisplay(options: displayOptions)
        defer { display.finish() }
        trainer.onEvent = { display.show($0) }
        let stop = trainer.stopSignal
        let signals = StopSignals { signal in
            stop.request()
            Terminal.complain("\(signal.name): finishing the step, then saving; once more stops at once")
        }
        let outcome: TrainingOutcome
        do {
            outcome = try await trainer.run()
        } catch {
            throw CommandFailure(training: error)
        }
        if outcome.wasStopped, let signal = signals.received {
            throw CommandFailure(
                signal.status, "stopped by \(signal.name) after step \(outcome.step); \(advice(display))")
        }
        sayWhatNext(display)
    }

    private var displayOptions: TrainingDisplay.Options {
        let trainer = configuration.trainer
        return TrainingDisplay.Options(
            showsProgress: showsProgress && !settings.disablesProgress, showsCompletion: showsCompletion,
            completionsToPrint: trainer.logCompletions
                ? trainer.numCompletionsToPrint ?? CompletionsTable.defaultLimit : nil,
            printsPromptsOnce: trainer.logUniquePrompts)
    }

    /// Data first, then weights: what is wrong shows before anything takes long.
    private func prepare() throws -> GRPOTrainer {
        try failing(as: .badInput) {
            let (dataset, evaluation) = try configuration.makeDatasets()
            let rewards = try BuiltInRewards.functions(named: settings.rewardFunctions)
            let model = try ModelLoading.model(
                path: settings.model, precision: settings.precision, threads: settings.threads)
            let adapter = try makeAdapter(for: model)
            Terminal.printLine(summary(model, adapter, dataset, rewards))
            if let evaluation { Terminal.printLine("evaluate \(evaluation.count) prompts") }
            return try GRPOTrainer(
                configuration: configuration.trainer,
                policy: ModelPolicy(
                    model: model, adapter: adapter,
                    keepsActivations: !configuration.trainer.gradientCheckpointing,
                    memory: MemoryBudget(utilization: configuration.trainer.memoryUtilization)),
                tokenizer: model.tokenizer, dataset: dataset, evaluationDataset: evaluation,
                rewards: rewards)
        }
    }

    private func makeAdapter(for model: LanguageModel) throws -> LoRAAdapter {
        if let adapter = settings.adapter { return try LoRAAdapter(directory: URL(filePath: adapter), for: model) }
        return try LoRAAdapter(settings.loraConfiguration, for: model, seed: UInt64(configuration.trainer.seed))
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

    private func sayWhatNext(_ display: TrainingDisplay) {
        guard let checkpoint = display.lastCheckpoint else { return }
        let precision =
            settings.precision == ModelOptions.defaultPrecision ? "" : " --precision \(settings.precision.rawValue)"
        Terminal.printLine(
            """
            saved in \(checkpoint); to try it:
              apus generate --model \(settings.model) --adapter \(checkpoint)\(precision) --prompt "..."
            """)
    }

    private func advice(_ display: TrainingDisplay) -> String {
        display.lastCheckpoint.map { "to go on: the same command with --resume_from_checkpoint \($0)" }
            ?? "nothing was saved"
    }
}
