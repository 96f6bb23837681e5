import Apus
import Foundation

/// One `apus sft`: loads what the configuration names, trains, and says how it ended.
struct SFTRun {
    let configuration: SFTRunConfiguration
    private var shared: RunSettings { configuration.run }
    private var settings: SFTSettings { configuration.settings }

    init(_ configuration: SFTRunConfiguration) {
        self.configuration = configuration
    }

    /// - Throws: `CommandFailure` unless the run went to its end.
    func run() async throws {
        let push = try RunPush(shared)
        let trainer = try prepare(await MadeRows(shared))
        let display = SFTDisplay(stepCount: trainer.plan.maxSteps)
        defer { Terminal.clearTransientLine() }
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
        Terminal.printLine("\(outcome.step) steps, \(outcome.tokens) tokens, \(timeSpan(outcome.seconds))")
        end.whatNext(shared).map(Terminal.printLine)
        try await push?.push(outcome.bestCheckpoint ?? display.lastCheckpoint)
    }

    /// Data first, then weights: what is wrong shows before anything takes long.
    private func prepare(_ rows: MadeRows?) throws -> SFTTrainer {
        try failing(as: .badInput) {
            let demonstrations = try makeDemonstrations(rows)
            let device = try shared.openDevice()
            let (model, learner) = try makeLearner(on: device.backend)
            let tokenizer = DemonstrationTokenizer(
                model.tokenizer, endTokens: model.endTokens, configuration: configuration.trainer)
            let examples = try makeExamples(demonstrations, tokenizer)
            let trainer = try SFTTrainer(
                configuration: configuration.trainer, learner: learner, examples: examples,
                tokenizer: model.tokenizer)
            Terminal.printLine(summary(trainer, learner, device))
            return trainer
        }
    }

    private func makeDemonstrations(_ rows: MadeRows?) throws -> [Demonstration] {
        if !shared.hasDataset, rows == nil {
            return Demonstration.arithmetic(
                count: shared.datasetSize, seed: UInt64(configuration.trainer.seed),
                manner: ArithmeticManner(directShare: settings.directShare, slipRate: settings.slipRate),
                systemPrompt: shared.systemPrompt)
        }
        let mapping = DemonstrationMapping(
            prompt: try shared.columnMapping(), completion: settings.completionColumn, text: settings.textColumn)
        let source = rows.map { RowSource(rows: $0.training, name: shared.dataName) } ?? shared.trainingRows
        let (demonstrations, notices) = try mapping.demonstrations(source)
        notices.forEach(Terminal.complain)
        return demonstrations
    }

    /// All examples are turned into tokens before the first step: what is wrong with one shows at once.
    private func makeExamples(
        _ demonstrations: [Demonstration], _ tokenizer: DemonstrationTokenizer
    ) throws -> [TrainingExample] {
        let progress = CountedProgress("turning the data into tokens", of: "examples")
        defer { progress.finish() }
        var remarks = PromptRemarks()
        return try demonstrations.enumerated().map { index, demonstration in
            progress.show(done: index, of: demonstrations.count)
            for remark in remarks.new(among: tokenizer.remarks(on: demonstration, number: index + 1)) {
                Terminal.complain("\(remark)")
            }
            return try tokenizer.example(demonstration, number: index + 1)
        }
    }

    private func makeLearner(on backend: any Backend) throws -> (model: LanguageModel, learner: any Learner) {
        let memory = MemoryBudget(utilization: configuration.trainer.memoryUtilization)
        let checkpointing = configuration.trainer.gradientCheckpointing
        let seed = UInt64(configuration.trainer.seed)
        guard shared.usesPEFT else {
            let parameters = try ModelLoading.parameters(
                shared, fromScratch: settings.startsFromScratch ? seed : nil, on: backend)
            return (parameters.model, ModelLearner(parameters, checkpointing: checkpointing, memory: memory))
        }
        let model = try ModelLoading.model(
            path: shared.modelPath, precision: shared.precision, on: backend,
            usesCache: shared.usesWeightCache)
        let adapter =
            if let path = shared.adapterPath { try ModelLoading.adapter(path: path, for: model) } else {
                try LoRAAdapter(shared.loraConfiguration, for: model, seed: seed)
            }
        return (model, ModelLearner(adapter, of: model, checkpointing: checkpointing, memory: memory))
    }

    private func summary(_ trainer: SFTTrainer, _ learner: any Learner, _ device: Device) -> String {
        let plan = trainer.plan
        let start =
            settings.startsFromScratch ? "from scratch" : shared.usesPEFT ? shared.precision.rawValue : "all weights"
        let unit = configuration.trainer.packing ? "\(plan.units) packs" : "\(plan.examples) examples"
        return """
            device   \(device.summary)
            model    \(shared.model) (\(start))
            trained  \(learner.parameters.parameterCount) parameters\(shared.usesPEFT ? " of the adapter" : "")
            data     \(shared.dataName), \(unit), \(plan.unitsPerStep) in each of \(plan.maxSteps) steps
            """
    }
}
