import ApusGeneration
import ApusModel

extension GRPOTrainer {
    /// Fills in the log-probabilities that stay fixed while a generation batch is trained on: those of the policy that sampled,
    /// when the policy may move in between, and those of the reference, when the KL term is on.
    func scoreFixedLogProbs(_ batch: inout GenerationBatch) throws(TrainingError) {
        let rows = batch.rows.indices.filter { needsScores(batch.rows[$0]) }
        if plan.batch.needsOldLogProbs {
            if policy.samplesExactLogProbs {
                for row in rows { batch.rows[row].oldLogProbs = batch.rows[row].completion.logProbs }
            } else {
                try score(rows, of: &batch, adapterEnabled: true) { $0.oldLogProbs = $1 }
            }
        }
        if configuration.beta != 0 {
            try score(rows, of: &batch, adapterEnabled: false) { $0.referenceLogProbs = $1 }
        }
    }

    /// Scores rows in pieces of a few groups, which bounds memory and changes no value.
    private func score(
        _ rows: [Int], of batch: inout GenerationBatch, adapterEnabled: Bool,
        _ assign: (inout RolloutRow, [Float]) -> Void
    ) throws(TrainingError) {
        let size = max(plan.batch.microBatchSize, plan.batch.groupSize)
        for start in stride(from: 0, to: rows.count, by: size) {
            let packed = PackedRows(rows[start..<min(start + size, rows.count)], of: batch)
            let scores = try onPolicy("compute log-probabilities") {
                try policy.score(
                    packed.groups, temperature: Float(configuration.temperature), adapterEnabled: adapterEnabled)
            }
            packed.forEach(scores) { row, scores in assign(&batch.rows[row], scores.logProbs) }
        }
    }

    /// Runs a piece of the policy's work; whatever it throws becomes one line.
    func onPolicy<Result>(_ action: String, _ body: () throws -> Result) throws(TrainingError) -> Result {
        do {
            return try body()
        } catch {
            throw TrainingError(.policy, "the model failed to \(action) at step \(state.globalStep + 1): \(error)")
        }
    }
}
