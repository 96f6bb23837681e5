import ApusData
import ApusGeneration
import Foundation

extension GRPOStep {
    /// Writes the generation batch of a step that was skipped to the output folder.
    /// - Returns: where it is, or why it is nowhere, for the message.
    func writeSkippedBatch(_ fault: NumericFault) -> String {
        guard let directory = loop.output?.directory, let generation else { return "there is no batch to look at" }
        let step = loop.step + 1
        let url = directory.url.appending(path: "skipped-step-\(step).json")
        let batch = SkippedBatch(
            step: step, fault: fault, gradientNorm: loop.state.gradientNorm, learningRate: loop.state.learningRate,
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
        let scores = zip(scorer.rewards.map(\.name), row.rewards).map { ($0, $1) }
        return SkippedBatch.Row(
            prompt: scorer.text(of: generation.prompts[row.group]), completion: scorer.text(of: row.completion.tokens),
            tokens: row.completion.tokens, isTruncated: row.completion.isTruncated,
            rewards: Dictionary(scores) { $1 }, advantage: row.advantage, samplingLogProbs: row.completion.logProbs,
            logProbs: record.logProbs[index], oldLogProbs: row.oldLogProbs, referenceLogProbs: row.referenceLogProbs)
    }

    /// Takes adapter and moments of the newest whole checkpoint that holds others than these. The run stays where it is
    /// otherwise: going through the same prompts again would lead to the same numbers.
    /// - Returns: the checkpoint's name; `nil` when there is none.
    func restoreParameters() -> String? {
        guard let directory = loop.output?.directory else { return nil }
        for checkpoint in SavedCheckpoint.all(in: directory.url) where SavedCheckpoint.fault(in: checkpoint.url) == nil
        {
            let file = checkpoint.url.appending(path: RunSnapshot.fileName)
            guard let data = try? Data(contentsOf: file),
                let snapshot = try? JSONDecoder().decode(RunSnapshot.self, from: data),
                // A checkpoint that was written after the last step that counted holds what is broken.
                snapshot.counters.appliedSteps < loop.state.counters.appliedSteps,
                (try? loop.parameters.restore(from: checkpoint.url)) != nil
            else { continue }
            loop.state.counters.appliedSteps = snapshot.counters.appliedSteps
            return checkpoint.url.lastPathComponent
        }
        return nil
    }
}
