import Foundation

/// Supervised fine-tuning: raises the log-probability of given completions.
///
/// The loss of an optimizer step is the mean negative log-probability over all tokens that it learns, whatever its
/// micro-steps. A trainer is used from one task at a time.
public final class SFTTrainer {
    /// The settings of the run.
    public let configuration: SFTConfiguration
    /// The sizes of the run.
    public let plan: SFTPlan
    /// Set it to let the run finish its optimizer step, save and stop.
    public let stopSignal: StopSignal
    /// Called for each event, in order, on the thread that trains.
    public var onEvent: (@Sendable (TrainingEvent) -> Void)? {
        get { loop.onEvent }
        set { loop.onEvent = newValue }
    }
    /// What was done to the data to fit the settings, one line each.
    public let notices: [String]

    private let loop: RunLoop
    let step: SFTStep
    private let learner: any Learner
    private let tokenizer: any PromptTokenizer

    /// Cuts examples to length, packs them and checks that something is left.
    ///
    /// - Parameters:
    ///   - examples: the data in tokens; see ``DemonstrationTokenizer``.
    ///   - tokenizer: its files go into each checkpoint.
    /// - Throws: ``ConfigurationError`` or ``TrainingError``.
    public init(
        configuration: SFTConfiguration, learner: any Learner, examples: [TrainingExample],
        tokenizer: any PromptTokenizer, stopSignal: StopSignal = StopSignal()
    ) throws {
        try configuration.validate()
        let limit = min(configuration.maxLength ?? .max, learner.contextLength ?? .max)
        for (index, example) in examples.enumerated() {
            try TrainingError.check(
                example.prompt + example.completion, below: learner.vocabularySize, "example \(index + 1)")
        }
        let fitting = examples.compactMap { $0.cut(to: limit) }
        guard !fitting.isEmpty else {
            throw TrainingError(
                .tooFewPrompts,
                "none of the \(examples.count) examples has anything to learn within \(limit) tokens: raise max_length")
        }
        let units =
            configuration.packing
            ? SequencePacker.packs(fitting.map(\.count), limit: limit) : fitting.indices.map { [$0] }
        let plan = SFTPlan(configuration, examples: fitting.count, units: units.count)
        loop = RunLoop(
            configuration, configuration.optimizer, configuration.output, extent: plan.extent,
            parameters: learner.parameters, stopSignal: stopSignal)
        step = SFTStep(configuration, plan, learner: learner, examples: fitting, units: units, loop: loop)
        self.configuration = configuration
        self.plan = plan
        self.learner = learner
        self.tokenizer = tokenizer
        self.stopSignal = stopSignal
        notices = Self.notices(examples, kept: fitting.count, limit: limit)
    }

    private static func notices(_ examples: [TrainingExample], kept: Int, limit: Int) -> [String] {
        let long = examples.count { $0.count > limit }
        guard long > 0 else { return [] }
        let dropped = examples.count - kept
        return [
            "\(long) of \(examples.count) examples are longer than \(limit) tokens (max_length, or the model's context): "
                + "\(long - dropped) lose their end, \(dropped) are left out because nothing to learn would remain"
        ]
    }

    /// Trains until `max_steps`, or until ``stopSignal`` is set.
    ///
    /// Checkpoints, `trainer_state.json` and `metrics.jsonl` go to `output_dir`.
    /// - Returns: how it ended.
    /// - Throws: ``TrainingError``.
    public nonisolated(nonsending) func run() async throws -> TrainingOutcome {
        loop.start()
        defer { loop.close() }
        for notice in notices { loop.tell(.warning(notice)) }
        let identity = RunIdentity.entries(of: learner, dataset: RunIdentity.digest(of: step.examples))
        try loop.open(identity: identity, tokenizer: tokenizer, for: step)
        return try await loop.run(step)
    }
}
