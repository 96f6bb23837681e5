import ApusData
import ApusGeneration
import Foundation

extension GRPOTrainer {
    /// Leaves the parameters and the optimizer as they are, and counts. After `max_skipped_steps` in a row the run writes down
    /// what it could not train on, and stops or goes back, as `on_not_finite` says.
    func skipStep(_ fault: NumericFault) throws(TrainingError) {
        policy.zeroGradients()
        let state = state
        do {
            let warning = try self.state.skipStep(fault, limit: configuration.maxSkippedSteps) { step in
                writeBatch(fault, step: step, state)
            }
            onEvent?(.warning(warning))
        } catch {
            guard configuration.onNotFinite == .restore, let checkpoint = restoreParameters() else { throw error }
            self.state.skippedInRow = 0
            onEvent?(.warning("\(error); goes on with the adapter of \(checkpoint) (on_not_finite)"))
        }
    }

    /// Takes adapter and moments of the newest whole checkpoint that holds others than these. The run stays where it is
    /// otherwise: going through the same prompts again would lead to the same numbers.
    /// - Returns: the checkpoint's name; `nil` when there is none.
    private func restoreParameters() -> String? {
        guard let directory = output?.directory else { return nil }
        for checkpoint in SavedCheckpoint.all(in: directory.url) where SavedCheckpoint.fault(in: checkpoint.url) == nil
        {
            let file = checkpoint.url.appending(path: RunSnapshot.fileName)
            guard let data = try? Data(contentsOf: file),
                let snapshot = try? JSONDecoder().decode(RunSnapshot.self, from: data),
                // A checkpoint that was written after the last step that counted holds what is broken.
                snapshot.counters.appliedSteps < state.appliedSteps,
                (try? policy.restore(from: checkpoint.url)) != nil
            else { continue }
            state.appliedSteps = snapshot.counters.appliedSteps
            return checkpoint.url.lastPathComponent
        }
        return nil
    }

    /// Writes the generation batch of the step to the output folder.
    /// - Returns: where it is, or why it is nowhere, for the message.
    private func writeBatch(_ fault: NumericFault, step: Int, _ state: RunState) -> String {
        guard let directory = output?.directory, let generation else { return "there is no batch to look at" }
        let url = directory.url.appending(path: "skipped-step-\(step).json")
        let batch = SkippedBatch(
            step: step, fault: fault, gradientNorm: state.gradientNorm, learningRate: state.learningRate,
            rows: generation.rows.indices.map { skippedRow($0, of: generation) })
        do {
            try batch.json().write(to: url, options: .atomic)
            return "the batch is in \(url.path)"
        } catch {
            return "the batch cannot be written to \(url.path)"
        }
    }

    private func skippedRow(_ index: Int, of generation: GenerationBatch) -> SkippedBatch.Row {
        let row = generation.rows[index]
        let scores = zip(rewards.map(\.name), row.rewards).map { ($0, $1) }
        return SkippedBatch.Row(
            prompt: tokenizer.text(of: generation.prompts[row.group]),
            completion: tokenizer.text(of: row.completion.tokens), tokens: row.completion.tokens,
            isTruncated: row.completion.isTruncated, rewards: Dictionary(scores) { $1 }, advantage: row.advantage,
            samplingLogProbs: row.completion.logProbs, logProbs: currentStep.logProbs[index],
            oldLogProbs: row.oldLogProbs, referenceLogProbs: row.referenceLogProbs)
    }
}
