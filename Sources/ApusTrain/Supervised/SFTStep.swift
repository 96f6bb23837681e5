/// The gradients of a supervised run: the mean negative log-probability of the tokens that a step learns.
final class SFTStep: TrainingMethod {
    let examples: [TrainingExample]
    private let plan: SFTPlan
    private let learner: any Learner
    private let loop: RunLoop
    /// What a batch counts, as indices of examples.
    private let units: [[Int]]
    private var orders: UnitOrder
    /// The order of the newest pass over the units, and how many passes were begun.
    private var order: [Int] = []
    private var passes = 0

    init(
        _ configuration: SFTConfiguration, _ plan: SFTPlan, learner: any Learner, examples: [TrainingExample],
        units: [[Int]], loop: RunLoop
    ) {
        self.plan = plan
        self.learner = learner
        self.examples = examples
        self.units = units
        self.loop = loop
        orders = UnitOrder(configuration, count: units.count)
    }

    /// The gradients of an optimizer step on some units, a micro-batch at a time.
    nonisolated(nonsending) func computeGradients() async throws -> StepLoss {
        let window = loop.window
        while passes <= window.epoch {
            order = orders.next()
            passes += 1
        }
        let members = order[window.units].map { units[$0].map { examples[$0] } }
        var scores = StepScores(members.joined())
        var progress = PhaseProgress(.train, step: loop.step + 1, of: scores.tokenCount, loop.onEvent)
        for first in stride(from: 0, to: members.count, by: plan.microBatchSize) {
            let batch = members[first..<min(first + plan.microBatchSize, members.count)].flatMap { $0 }
            do {
                try trainOn(batch, &scores)
            } catch {
                throw TrainingError(.policy, "step \(loop.step + 1): \(error)")
            }
            loop.state.counters.tokensSeen += batch.reduce(0) { $0 + $1.count }
            progress.advance(by: batch.reduce(0) { $0 + $1.learntCount })
        }
        loop.state.metrics.append("entropy", scores.meanEntropy)
        loop.state.metrics.set("num_tokens", Double(loop.state.counters.tokensSeen))
        loop.state.metrics.append("mean_token_accuracy", scores.accuracy)
        let isFinite = scores.loss.isFinite
        return StepLoss(loss: isFinite ? scores.loss : 0, fault: isFinite ? nil : .logProbs)
    }

    private func trainOn(_ batch: [TrainingExample], _ scores: inout StepScores) throws {
        let result = try learner.forward(batch.map(\.group), temperature: 1)
        let answers = try learner.areLikeliest(batch.map { [$0.isLearnt] })
        for (index, example) in batch.enumerated() {
            scores.add(result[index][0], example, areLikeliest: answers[index][0])
        }
        try learner.backward(batch.map { [scores.gradient($0)] }, entropyGradients: nil)
    }
}
