import ApusData

extension GRPOTrainer {
    /// Takes the output folder, and goes to the checkpoint that the run continues, if it does: counters, log and the
    /// generation batch in use. The continuation computes what the uninterrupted run would have computed.
    func openOutput() throws(TrainingError) {
        var identity = RunIdentity.entries(of: policy, dataset: RunIdentity.digest(of: dataset))
        identity.merge(RunIdentity.entries(of: rewards)) { $1 }
        let extent = RunExtent(
            maxSteps: plan.maxSteps, epochs: plan.epochs, batchSize: plan.batch.microBatchSize,
            evalSteps: evaluationInterval ?? 500)
        let output = try RunOutput(
            configuration, extent: extent, identity: identity, trained: policy, tokenizer: tokenizer,
            tell: { [weak self] in self?.onEvent?($0) })
        self.output = output
        guard let point = output.resumed else { return }
        state.resume(point)
        if let bonus = point.snapshot.entropy { entropy = bonus }
        generation = point.snapshot.generation?.batch
        promptSelection = point.snapshot.promptSelection ?? PromptSelection()
        if point.isOfAnotherRun { realign() }
    }

    /// After a forced continuation the batches may be cut differently: the run goes on at the beginning of its next optimizer
    /// step under the new sizes, with completions of its own.
    private func realign() {
        let (epoch, step) = state.globalStep.quotientAndRemainder(dividingBy: plan.stepsPerEpoch)
        state.microStep = epoch * plan.microStepsPerEpoch + step * plan.batch.accumulationSteps
        generation = nil
        promptSelection.position = state.microStep / plan.batch.generateEvery * plan.batch.promptsPerGeneration
    }
}
