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
        let push = try RunPush(settings)
        let rewards = try failing(as: .badInput) {
            try RewardSuite(
                settings.rewardFunctions, python: settings.pythonOptions("reward"),
                failure: configuration.trainer.rewardFailure)
        }
        defer { rewards.stop() }
        let trainer = try await prepare(rewards)
        let trackers = try await startTrackers(rewards)
        trainer.trackers = trackers.map { [$0] } ?? []
        let display = TrainingDisplay(options: displayOptions)
        defer { display.finish() }
        trainer.onEvent = { display.show($0) }
        let signals = StopSignals(trainer.stopSignal)
        let outcome: TrainingOutcome
        do {
            outcome = try await trainer.run()
        } catch {
            await trackers?.finish(.failed)
            throw CommandFailure(training: error)
        }
        await finish(trackers, outcome)
        let end = RunEnd(
            outcome: outcome, checkpoint: display.lastCheckpoint, canGoOn: !configuration.trainer.output.saveOnlyModel)
        try end.failIfStopped(by: signals)
        if let accuracy = end.accuracy { Terminal.printLine("\n\(accuracy.text)\n\(accuracy.verdict)\n") }
        end.whatNext(settings).map(Terminal.printLine)
        try await push?.push(outcome.bestCheckpoint ?? display.lastCheckpoint)
    }

    /// Starts the packages that `report_to` names, so that a missing one shows before the first step.
    private func startTrackers(_ rewards: RewardSuite) async throws -> ExperimentTrackers? {
        let trainer = configuration.trainer
        let names = trainer.reportTo.filter { $0 != .tensorboard }.map(\.rawValue)
        guard !names.isEmpty else { return nil }
        var values = settings.members.merging(trainer.members) { own, _ in own }
        // Addresses of servers may hold what is secret.
        values["reward_funcs"] = .array(rewards.functions.map { .string($0.name) })
        let run = ExperimentTrackers.Run(
            names: names, name: settings.runName,
            project: settings.project == RunSettings.defaultProject ? nil : settings.project,
            space: settings.trackioSpace, outputDir: trainer.output.outputDir, configuration: values,
            isResumed: trainer.output.resumeFromCheckpoint != nil)
        Terminal.showTransient("starting \(names.joined(separator: ", "))")
        defer { Terminal.clearTransientLine() }
        let trackers: ExperimentTrackers
        do {
            trackers = try await ExperimentTrackers(
                run, interpreter: settings.interpreter, onOutput: { Terminal.printOutput($0, of: "tracker") })
        } catch {
            throw CommandFailure(.badInput, error.description)
        }
        for (name, address) in trackers.addresses.sorted(by: { $0.key < $1.key }) {
            Terminal.printLine("\(name)  \(address)")
        }
        return trackers
    }

    private func finish(_ trackers: ExperimentTrackers?, _ outcome: TrainingOutcome) async {
        guard let trackers else { return }
        Terminal.showTransient("the trackers send what is left")
        defer { Terminal.clearTransientLine() }
        guard await trackers.finish(outcome.wasStopped ? .stopped : .finished) else {
            return Terminal.complain("report_to: the trackers did not end in time, and may lack the run's last lines")
        }
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
        let rows = try await MadeRows(settings)
        let (dataset, evaluation) = try failing(as: .badInput) { try configuration.makeDatasets(rows) }
        for notice in dataset.notices + (evaluation?.notices ?? []) { Terminal.complain(notice) }
        try await check(suite, on: dataset)
        return try failing(as: .badInput) {
            let rewards = suite.functions
            let device = try settings.openDevice()
            let (policy, model) = try makePolicy(on: device.backend)
            Terminal.printLine(summary(policy, dataset, rewards, device))
            if let evaluation { Terminal.printLine("evaluate \(evaluation.count) prompts") }
            return try GRPOTrainer(
                configuration: configuration.trainer, policy: policy, tokenizer: model.tokenizer, dataset: dataset,
                evaluationDataset: evaluation, rewards: rewards)
        }
    }

    /// The model with what of it is trained.
    private func makePolicy(on backend: any Backend) throws -> (Policy, LanguageModel) {
        guard settings.usesPEFT else {
            let parameters = try ModelLoading.parameters(settings, on: backend)
            let memory = MemoryBudget(utilization: configuration.trainer.memoryUtilization)
            let checkpointing = configuration.trainer.gradientCheckpointing
            return (Policy(parameters, checkpointing: checkpointing, memory: memory), parameters.model)
        }
        let model = try ModelLoading.model(
            path: settings.modelPath, precision: settings.precision, on: backend,
            usesCache: settings.usesWeightCache)
        let policy = Policy(
            model: model, adapter: try makeAdapter(for: model), reference: try makeReference(for: model),
            configuration: configuration.trainer)
        return (policy, model)
    }

    /// Calls the rewards once, so that what cannot work shows now.
    private func check(_ rewards: RewardSuite, on dataset: Dataset) async throws {
        guard let sample = dataset.samples.first else { return }
        let hidden = rewards.hiddenColumns(of: sample)
        if !hidden.isEmpty {
            Terminal.complain(
                "rewards do not see the columns \(hidden.joined(separator: ", ")) of the data: the trainer's own arguments have "
                    + "these names; rename the columns")
        }
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
        if let adapter = settings.adapterPath { return try ModelLoading.adapter(path: adapter, for: model) }
        return try LoRAAdapter(settings.loraConfiguration, for: model, seed: UInt64(configuration.trainer.seed))
    }

    /// A run that goes on from an adapter is held to what it began with, as TRL holds it: to a copy that stays as it is.
    private func makeReference(for model: LanguageModel) throws -> LoRAAdapter? {
        guard configuration.trainer.beta != 0, let adapter = settings.adapterPath else { return nil }
        return try LoRAAdapter(directory: URL(filePath: adapter), for: model)
    }

    private func summary(
        _ policy: Policy, _ dataset: Dataset, _ rewards: [any RewardFunction], _ device: Device
    ) -> String {
        let count = policy.learner.parameters.parameterCount
        let shape = settings.adapter ?? "rank \(settings.loraRank), alpha \(compact(settings.loraAlpha))"
        return """
            device   \(device.summary)
            model    \(settings.model) (\(settings.precision.rawValue))
            \(settings.usesPEFT ? "adapter  \(shape), \(count) parameters" : "trained  all \(count) parameters")
            data     \(settings.dataName), \(dataset.count) prompts
            rewards  \(StepLine.legend(rewards.map(\.name)))
            """
    }
}
