import ApusData
import ApusGeneration
import Foundation

extension GRPOTrainer {
    /// Leaves the parameters and the optimizer as they are, and counts. After `max_skipped_steps` in a row the run stops and
    /// writes down what it could not train on.
    func skipStep(_ fault: NumericFault) throws(TrainingError) {
        policy.zeroGradients()
        state.skippedInRow += 1
        state.skippedSteps += 1
        let step = state.globalStep + 1
        guard state.skippedInRow >= configuration.maxSkippedSteps else {
            onEvent?(.warning("step \(step) is skipped: \(fault.subject) not finite"))
            return
        }
        let file = dumpBatch(fault, step: step)
        throw TrainingError(
            .notFinite,
            "\(fault.subject) not finite in \(state.skippedInRow) steps in a row (max_skipped_steps), the last is step "
                + "\(step): \(fault.advice); \(file); earlier checkpoints are intact")
    }

    /// Writes the generation batch of the step to the output folder.
    /// - Returns: where it is, or why it is nowhere, for the message.
    private func dumpBatch(_ fault: NumericFault, step: Int) -> String {
        guard let directory, let generation else { return "there is no batch to look at" }
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
            samplingLogProbs: row.completion.logProbs, logProbs: state.stepLogProbs[index],
            oldLogProbs: row.oldLogProbs, referenceLogProbs: row.referenceLogProbs)
    }
}
