extension RunLoop {
    /// One optimizer step: gradients, clipping, AdamW, the schedule.
    nonisolated(nonsending) func optimizerStep(_ method: any TrainingMethod) async throws {
        parameters.zeroGradients()
        let result = try await method.computeGradients()
        let fault = try applyGradients(result.fault)
        if let fault { try skipStep(fault, method) }
        try await method.stepEnded(isApplied: fault == nil)
        state.countStep(loss: result.loss)
    }

    /// Clips the gradients to `max_grad_norm` and applies them, unless the step's loss or gradient is not finite: applying it
    /// would destroy the parameters and the optimizer's moments. TRL applies it and only hides the loss in the log.
    /// - Parameter fault: what was not finite before this, if anything was.
    /// - Returns: what was not finite; nothing is applied then.
    /// - Throws: When the device that holds the gradients has failed.
    private func applyGradients(_ fault: NumericFault?) throws -> NumericFault? {
        state.gradientNorm = fault == nil ? try parameters.gradientNorm() : .nan
        let evaluations = bestModel.map { best in
            state.history.filter(\.isEvaluation).compactMap { $0[best.metric] }
        }
        state.learningRate = schedule.learningRate(step: step, evaluations: evaluations ?? [])
        guard state.gradientNorm.isFinite else { return fault ?? .gradient }
        state.counters.skippedInRow = 0
        let scale = optimizer.maxGradNorm / (state.gradientNorm + 1e-6)
        if optimizer.maxGradNorm > 0, scale < 1 { parameters.scaleGradients(by: Float(scale)) }
        state.counters.appliedSteps += 1
        parameters.adamWStep(optimizer.adamWStep(state.counters.appliedSteps, learningRate: state.learningRate))
        return nil
    }

    /// Leaves the parameters and the optimizer as they are, and counts. After `max_skipped_steps` in a row the method decides.
    private func skipStep(_ fault: NumericFault, _ method: any TrainingMethod) throws(TrainingError) {
        parameters.zeroGradients()
        state.counters.skippedInRow += 1
        state.counters.skippedSteps += 1
        let inRow = state.counters.skippedInRow
        guard inRow >= outputSettings.maxSkippedSteps else {
            return tell(.warning("step \(step + 1) is skipped: \(fault.subject) not finite"))
        }
        try method.giveUp(
            "\(fault.subject) not finite in \(inRow) steps in a row (max_skipped_steps), the last is step \(step + 1): "
                + fault.advice,
            fault)
    }
}
