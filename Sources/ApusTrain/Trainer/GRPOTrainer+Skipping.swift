import ApusData
import ApusGeneration
import Foundation

extension GRPOTrainer {
    /// Leaves the parameters and the optimizer as they are, and counts. After `max_skipped_steps` in a row the run stops and
    /// writes down what it could not train on.
    func skipStep(_ fault: NumericFault) throws(TrainingError) {
        policy.zeroGradients()
        let state = state
        let warning = try self.state.skipStep(fault, limit: configuration.maxSkippedSteps) { step in
            writeBatch(fault, step: step, state)
        }
        onEvent?(.warning(warning))
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
