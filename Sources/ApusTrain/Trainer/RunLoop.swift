import ApusData

/// The optimizer steps of one pass over the data, as the loop cuts it: a part of its units, which are micro-steps or sequences.
struct StepWindow {
    /// The pass, from 0.
    let epoch: Int
    /// Of the pass; the last step may have fewer units than the others.
    let units: Range<Int>
}

/// What the gradients of an optimizer step were computed from.
struct StepLoss {
    /// The loss; 0 where it is not finite.
    var loss: Double
    /// What was not finite, if anything was: the step is skipped.
    var fault: NumericFault?
}

/// What is particular to a kind of training; ``RunLoop`` does the rest.
protocol TrainingMethod: AnyObject {
    /// Adds the gradients of the optimizer step of the loop's window to those of the parameters, which are zero.
    nonisolated(nonsending) func computeGradients() async throws -> StepLoss

    /// The gradients were applied, or were not finite and are gone.
    nonisolated(nonsending) func stepEnded(isApplied: Bool) async throws

    /// As many steps in a row were skipped as may be.
    /// - Parameter message: what was not finite, and what to do.
    /// - Throws: ``TrainingError`` with code `notFinite`, unless the run goes on in another way.
    func giveUp(_ message: String, _ fault: NumericFault) throws(TrainingError)

    /// Evaluates when the schedule says so and it was not done at this step yet.
    nonisolated(nonsending) func evaluateIfDue() async throws

    /// Looks at a log line.
    /// - Returns: what the user should hear about it.
    func observe(_ record: MetricsRecord) -> [String]

    /// Ends a run that learns nothing any more.
    func checkProgress() throws(TrainingError)

    /// Adds what this kind of run needs to go on.
    func complete(_ snapshot: inout RunSnapshot)

    /// Goes to where a checkpoint left a run of this kind.
    func resume(_ point: ResumePoint)
}

extension TrainingMethod {
    nonisolated(nonsending) func stepEnded(isApplied: Bool) async throws {}
    func giveUp(_ message: String, _ fault: NumericFault) throws(TrainingError) {
        throw TrainingError(.notFinite, "\(message); earlier checkpoints are intact")
    }
    nonisolated(nonsending) func evaluateIfDue() async throws {}
    func observe(_ record: MetricsRecord) -> [String] { [] }
    func checkProgress() throws(TrainingError) {}
    func complete(_ snapshot: inout RunSnapshot) {}
    func resume(_ point: ResumePoint) {}
}

/// A run from its first optimizer step to its last: passes over the data, the optimizer, log lines, evaluations, checkpoints.
final class RunLoop {
    let configuration: any DeclaredSettings
    let optimizer: OptimizerSettings
    let outputSettings: OutputSettings
    let extent: RunExtent
    let parameters: any TrainedParameters
    let schedule: LearningRateSchedule
    let stopSignal: StopSignal
    /// The metric of evaluations that a schedule follows and the best step is chosen by.
    let bestModel: BestModelCriterion?
    let clock = ContinuousClock()
    /// Called for each event, in order.
    var onEvent: (@Sendable (TrainingEvent) -> Void)?
    var state = RunState()
    /// When the run was begun, for its runtime.
    private var began: ContinuousClock.Instant
    /// What the current optimizer step trains on.
    private(set) var window = StepWindow(epoch: 0, units: 0..<0)
    /// What the run writes; nil before and after it.
    private(set) var output: RunOutput?

    init(
        _ configuration: any DeclaredSettings, _ optimizer: OptimizerSettings, _ output: OutputSettings,
        extent: RunExtent, parameters: any TrainedParameters, stopSignal: StopSignal,
        bestModel: BestModelCriterion? = nil
    ) {
        began = clock.now
        self.configuration = configuration
        self.optimizer = optimizer
        outputSettings = output
        self.extent = extent
        self.parameters = parameters
        self.stopSignal = stopSignal
        self.bestModel = bestModel
        var schedule = LearningRateSchedule(optimizer, maxSteps: extent.maxSteps)
        if let bestModel { schedule.greaterIsBetter = bestModel.greaterIsBetter }
        self.schedule = schedule
    }

    func tell(_ event: TrainingEvent) { onEvent?(event) }

    /// The number of optimizer steps done.
    var step: Int { state.counters.globalStep }

    private var isFinished: Bool { step >= extent.maxSteps || stopSignal.isRequested }

    /// Takes the output folder, and goes to the checkpoint that the run continues, if it does: counters, log and what the method
    /// keeps. The continuation computes what the uninterrupted run would have computed.
    func open(
        identity: [String: JSONValue], tokenizer: any PromptTokenizer, for method: any TrainingMethod
    ) throws(TrainingError) {
        let output = try RunOutput(
            outputSettings, of: configuration, extent: extent, identity: identity, trained: parameters,
            tokenizer: tokenizer,
            tell: { [weak self] in self?.tell($0) })
        self.output = output
        guard let point = output.resumed else { return }
        state = RunState(point)
        method.resume(point)
    }

    /// Begins to count the time.
    func start() { began = clock.now }

    func close() { output = nil }

    /// Trains until `max_steps`, or until ``stopSignal`` is set.
    nonisolated(nonsending) func run(_ method: any TrainingMethod) async throws -> TrainingOutcome {
        var epoch = step / extent.stepsPerEpoch
        // A run that was stopped in the middle of an evaluation makes up for it here.
        try await method.evaluateIfDue()
        while !isFinished {
            try await runEpoch(epoch, method)
            epoch += 1
        }
        return try finish(method)
    }

    /// What is left to write when the last step is done. The errors have no type here: Swift 6.3.1 crashes while it splits an
    /// asynchronous function that ends with a call of one whose errors have.
    private func finish(_ method: any TrainingMethod) throws -> TrainingOutcome {
        try log(method, force: true)
        // A request that came after the last save was considered.
        if stopSignal.isRequested { try save(method, isEpochEnd: false) }
        return TrainingOutcome(state, of: extent.maxSteps, seconds: (clock.now - began) / .seconds(1))
    }

    /// One pass over the data, or what is left of it.
    private nonisolated(nonsending) func runEpoch(_ epoch: Int, _ method: any TrainingMethod) async throws {
        let begin = (step - epoch * extent.stepsPerEpoch) * extent.unitsPerStep
        for first in stride(from: begin, to: extent.unitsPerEpoch, by: extent.unitsPerStep) {
            guard !isFinished else { return }
            let units = first..<min(first + extent.unitsPerStep, extent.unitsPerEpoch)
            window = StepWindow(epoch: epoch, units: units)
            try await optimizerStep(method)
            state.counters.epoch = Double(epoch) + Double(units.upperBound) / Double(extent.unitsPerEpoch)
            tell(.stepFinished(step: step, of: extent.maxSteps))
            try log(method, force: false)
            try await method.evaluateIfDue()
            try save(method, isEpochEnd: units.upperBound == extent.unitsPerEpoch)
            try checkProgress(method)
        }
    }

    private func log(_ method: any TrainingMethod, force: Bool) throws(TrainingError) {
        guard let record = try output?.logIfDue(&state, force: force) else { return }
        let warnings = method.observe(record)
        tell(.logged(record))
        for warning in warnings { tell(.warning(warning)) }
    }

    private func save(_ method: any TrainingMethod, isEpochEnd: Bool) throws(TrainingError) {
        try output?.saveIfDue(
            &state, isEpochEnd: isEpochEnd, isStopping: stopSignal.isRequested,
            keeping: bestModel?.isKept ?? false ? state.evaluations.best?.step : nil, complete: method.complete)
    }

    /// Saves before it ends a run for want of progress.
    private func checkProgress(_ method: any TrainingMethod) throws(TrainingError) {
        do {
            try method.checkProgress()
        } catch {
            stopSignal.request()
            try save(method, isEpochEnd: false)
            throw error
        }
    }
}
