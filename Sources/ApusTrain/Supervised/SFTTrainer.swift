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
    public var onEvent: (@Sendable (TrainingEvent) -> Void)?
    /// What was done to the data to fit the settings, one line each.
    public let notices: [String]

    let learner: any Learner
    let tokenizer: any PromptTokenizer
    let examples: [TrainingExample]
    /// What a batch counts, as indices of examples.
    let units: [[Int]]
    let schedule: LearningRateSchedule
    var state = RunState()
    var output: RunOutput?
    private let clock = ContinuousClock()

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
        let limit = min(configuration.maxLength ?? .max, learner.contextLength)
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
        units =
            configuration.packing
            ? SequencePacker.packs(fitting.map(\.count), limit: limit) : fitting.indices.map { [$0] }
        self.configuration = configuration
        self.learner = learner
        self.examples = fitting
        self.tokenizer = tokenizer
        self.stopSignal = stopSignal
        plan = SFTPlan(configuration, examples: fitting.count, units: units.count)
        schedule = LearningRateSchedule(configuration, maxSteps: plan.maxSteps)
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
    public func run() throws -> TrainingOutcome {
        let start = clock.now
        for notice in notices { onEvent?(.warning(notice)) }
        defer { output = nil }
        try openOutput()
        var order = UnitOrder(configuration, count: units.count)
        var epoch = state.globalStep / plan.stepsPerEpoch
        for _ in 0..<epoch { _ = order.next() }
        while !isFinished {
            try runEpoch(epoch, order.next())
            epoch += 1
        }
        try logIfNeeded(force: true)
        // A request that came after the last save was considered.
        if stopSignal.isRequested { try saveIfNeeded(isEpochEnd: false) }
        return TrainingOutcome(state, of: plan.maxSteps, seconds: (clock.now - start) / .seconds(1))
    }

    private var isFinished: Bool { state.globalStep >= plan.maxSteps || stopSignal.isRequested }

    /// One pass over the units, or what is left of it; the last optimizer step may have fewer than the others.
    private func runEpoch(_ epoch: Int, _ order: [Int]) throws(TrainingError) {
        let begin = (state.globalStep - epoch * plan.stepsPerEpoch) * plan.unitsPerStep
        for first in stride(from: begin, to: order.count, by: plan.unitsPerStep) {
            guard !isFinished else { return }
            let window = order[first..<min(first + plan.unitsPerStep, order.count)]
            try optimizerStep(window)
            state.epoch = Double(epoch) + Double(window.endIndex) / Double(order.count)
            onEvent?(.stepFinished(step: state.globalStep, of: plan.maxSteps))
            try logIfNeeded(force: false)
            try saveIfNeeded(isEpochEnd: window.endIndex == order.count)
        }
    }

    /// One optimizer step on some units, a micro-batch at a time.
    private func optimizerStep(_ window: ArraySlice<Int>) throws(TrainingError) {
        learner.zeroGradients()
        let members = window.map { units[$0].map { examples[$0] } }
        var scores = StepScores(members.joined())
        var progress = PhaseProgress(.train, step: state.globalStep + 1, of: scores.tokenCount, onEvent)
        for first in stride(from: 0, to: members.count, by: plan.microBatchSize) {
            let batch = members[first..<min(first + plan.microBatchSize, members.count)].flatMap { $0 }
            do {
                try trainOn(batch, &scores)
            } catch {
                throw TrainingError(.policy, "step \(state.globalStep + 1): \(error)")
            }
            state.tokensSeen += batch.reduce(0) { $0 + $1.count }
            progress.advance(by: batch.reduce(0) { $0 + $1.learntCount })
        }
        try applyGradients(scores)
        count(scores)
    }

    private func trainOn(_ batch: [TrainingExample], _ scores: inout StepScores) throws {
        let result = try learner.forward(batch.map(\.group))
        let answers = try learner.areLikeliest(batch.map(\.isLearnt))
        for (index, example) in batch.enumerated() {
            scores.add(result[index], example, areLikeliest: answers[index])
        }
        try learner.backward(batch.map(scores.gradient))
    }

    /// Clips and applies the gradients. A step that is not finite is skipped.
    private func applyGradients(_ scores: StepScores) throws(TrainingError) {
        let fault = state.applyGradients(
            of: learner, configuration, schedule, fault: scores.loss.isFinite ? nil : .logProbs)
        guard let fault else { return }
        learner.zeroGradients()
        onEvent?(.warning(try state.skipStep(fault, limit: configuration.maxSkippedSteps)))
    }

    private func count(_ scores: StepScores) {
        state.metrics.append("entropy", scores.meanEntropy)
        state.metrics.set("num_tokens", Double(state.tokensSeen))
        state.metrics.append("mean_token_accuracy", scores.accuracy)
        state.countStep(loss: scores.loss.isFinite ? scores.loss : 0)
    }
}
