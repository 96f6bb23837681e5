extension RunState {
    /// Clips the gradients to `max_grad_norm` and applies them, unless the step's loss or gradient is not finite: applying it
    /// would destroy the parameters and the optimizer's moments. TRL applies it and only hides the loss in the log.
    /// - Parameters:
    ///   - metric: of evaluations, for a schedule that follows them.
    ///   - fault: what was not finite before this, if anything was.
    /// - Returns: what was not finite; nothing is applied then.
    mutating func applyGradients(
        of trained: any TrainedParameters, _ settings: some OptimizerSettings, _ schedule: LearningRateSchedule,
        metric: String? = nil, fault: NumericFault?
    ) -> NumericFault? {
        gradientNorm = fault == nil ? trained.gradientNorm() : .nan
        let evaluations = metric.map { name in history.filter(\.isEvaluation).compactMap { $0[name] } } ?? []
        learningRate = schedule.learningRate(step: counters.globalStep, evaluations: evaluations)
        guard gradientNorm.isFinite else { return fault ?? .gradient }
        counters.skippedInRow = 0
        let scale = settings.maxGradNorm / (gradientNorm + 1e-6)
        if settings.maxGradNorm > 0, scale < 1 { trained.scaleGradients(by: Float(scale)) }
        counters.appliedSteps += 1
        trained.optimizerStep(settings.optimizerStep(counters.appliedSteps, learningRate: learningRate))
        return nil
    }

    /// Counts a step that leaves the parameters and the optimizer as they are.
    /// - Parameters:
    ///   - limit: so many of them in a row end the run.
    ///   - writeBatch: writes down what could not be trained on and says where it is.
    /// - Returns: a warning.
    /// - Throws: ``TrainingError`` with code `notFinite`.
    mutating func skipStep(
        _ fault: NumericFault, limit: Int, writeBatch: (_ step: Int) -> String? = { _ in nil }
    ) throws(TrainingError) -> String {
        counters.skippedInRow += 1
        counters.skippedSteps += 1
        let step = counters.globalStep + 1
        guard counters.skippedInRow >= limit else {
            return "step \(step) is skipped: \(fault.subject) not finite"
        }
        let place = writeBatch(step).map { "\($0); " } ?? ""
        throw TrainingError(
            .notFinite,
            "\(fault.subject) not finite in \(counters.skippedInRow) steps in a row (max_skipped_steps), the last is step "
                + "\(step): \(fault.advice); \(place)earlier checkpoints are intact")
    }
}
