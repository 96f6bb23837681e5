import Foundation

/// The GRPO family of losses with hand-written gradients, as trl 1.16 computes them.
///
/// Names follow the papers: `c1` is the ratio of the policy to the one that sampled, `A` the advantage, `m` the mask. Every
/// reduction weighs all counted tokens of a row alike, so a row's loss is `weight · Σ m·L`. Arithmetic is in double precision.
struct GRPOLoss: Sendable {
    let configuration: GRPOConfiguration

    init(_ configuration: GRPOConfiguration) { self.configuration = configuration }

    var isSequenceLevel: Bool { configuration.importanceSamplingLevel == .sequence }

    /// The loss of one micro-batch, its gradients and its metrics.
    func evaluate(_ batch: LossBatch) -> LossEvaluation {
        var result = LossEvaluation()
        let selected = tokensInPolicyTerm(of: batch.rows)
        let terms = batch.rows.map(RatioTerms.init(row:))
        for (index, row) in batch.rows.enumerated() {
            guard row.isScored else {
                result.logProbGradients.append([])
                continue
            }
            let weight = tokenWeight(of: row, in: batch)
            var gradient = [Double](repeating: 0, count: row.mask.count)
            var value = 0.0
            addPolicyTerm(row, terms[index], selected: selected[index], value: &value, gradient: &gradient)
            addKLTerm(row, terms[index], value: &value, gradient: &gradient)
            result.loss += weight * value
            result.logProbGradients.append(gradient.map { Float(weight * $0) })
        }
        addEntropyBonus(batch, selected: selected, to: &result)
        result.metrics += metrics(of: batch, terms: terms)
        return result
    }

    /// What one counted token of a row weighs in the loss.
    private func tokenWeight(of row: LossRow, in batch: LossBatch) -> Double {
        let window = batch.isTraining ? Double(batch.window) : 1
        let rows = Double(batch.rows.count)
        switch configuration.lossType {
        case .grpo, .sapo: return 1 / Double(max(row.tokenCount, 1)) / rows / window
        case .bnpo: return 1 / Double(max(batch.rows.reduce(0) { $0 + $1.tokenCount }, 1)) / window
        case .drGRPO: return 1 / (rows * Double(configuration.maxCompletionLength)) / window
        case .luspo: return 1 / rows / window
        case .dapo, .cispo, .vespo:
            // The generation batch's tokens, rescaled to one accumulation window: the gradient stays a token mean however
            // many windows share a generation.
            let share = batch.isTraining ? window / Double(batch.stepsPerGeneration) : 1
            return 1 / (Double(max(batch.itemCount, 1)) * share)
        }
    }

    private func addPolicyTerm(
        _ row: LossRow, _ terms: RatioTerms, selected: [Bool], value: inout Double, gradient: inout [Double]
    ) {
        guard isKept(row) else { return }
        let advantage = row.advantage
        if let importance = logProbWeight(terms, advantage) {
            for token in row.mask.indices where selected[token] {
                let weight = importance(token)
                value -= weight * advantage * Double(row.logProbs[token])
                gradient[token] -= weight * advantage
            }
        } else if isSequenceLevel {
            let count = Double(selected.count { $0 })
            let term = ratioTerm(terms.rowRatio, advantage)
            value += count * term.value
            let share = count * term.slope / Double(max(row.tokenCount, 1))
            for token in row.mask.indices where row.mask[token] { gradient[token] += share }
        } else {
            for token in row.mask.indices where selected[token] {
                let term = ratioTerm(terms.ratios[token], advantage)
                value += term.value
                gradient[token] += term.slope
            }
        }
    }

    /// The loss of a ratio, and its derivative by the *logarithm* of the ratio.
    private func ratioTerm(_ c1: Double, _ A: Double) -> (value: Double, slope: Double) {
        if configuration.lossType == .sapo {
            let tau = A > 0 ? configuration.sapoTemperaturePos : configuration.sapoTemperatureNeg
            let gate = 1 / (1 + exp(-tau * (c1 - 1)))
            return (-4 / tau * gate * A, -4 * gate * (1 - gate) * c1 * A)
        }
        let low = 1 - configuration.epsilon
        let high = 1 + (configuration.epsilonHigh ?? configuration.epsilon)
        let bound = configuration.delta ?? .infinity
        let unclipped = min(c1, bound) * A
        let clipped = min(max(c1, low), high) * A
        let isInside = (low...high).contains(c1)
        // The smaller of the two passes its gradient on; where they are equal both do, half each.
        let isActive =
            unclipped < clipped ? c1 <= bound : clipped < unclipped ? isInside : isInside && c1 <= bound
        return (-min(unclipped, clipped), isActive ? -c1 * A : 0)
    }

    /// The weight on `A · log-prob` for the losses that take no gradient through the ratio; `nil` for the others.
    private func logProbWeight(_ terms: RatioTerms, _ A: Double) -> ((Int) -> Double)? {
        switch configuration.lossType {
        case .cispo:
            let cap = configuration.epsilonHigh ?? configuration.epsilon
            let rowRatio = isSequenceLevel ? terms.rowRatio : nil
            return { token in min(rowRatio ?? terms.ratios[token], cap) }
        case .vespo:
            let phi = vespoWeight(terms, A)
            return { _ in phi }
        case .grpo, .bnpo, .drGRPO, .dapo, .sapo, .luspo: return nil
        }
    }

    func vespoWeight(_ terms: RatioTerms, _ A: Double) -> Double {
        let logWeight = min(max(terms.clampedLogRatioSum, log(1e-8)), 20)
        let k = A >= 0 ? configuration.vespoKPos : configuration.vespoKNeg
        let lambda = max(A >= 0 ? configuration.vespoLambdaPos : configuration.vespoLambdaNeg, 1e-4)
        let phi = exp(lambda + k * logWeight - lambda * exp(logWeight))
        return phi.isFinite ? phi : 0
    }

    /// β times the k3 estimate of the KL divergence to the reference; no mask but `m` applies to it.
    private func addKLTerm(
        _ row: LossRow, _ terms: RatioTerms, value: inout Double, gradient: inout [Double]
    ) {
        let beta = configuration.beta
        guard beta != 0, let reference = row.referenceLogProbs else { return }
        let correction = configuration.useBiasCorrectionKL
        var rowSum = 0.0
        for token in row.mask.indices where row.mask[token] {
            let difference = Double(reference[token]) - Double(row.logProbs[token])
            let k3 = exp(difference) - difference - 1
            let c1 = correction ? (isSequenceLevel ? terms.rowRatio : terms.ratios[token]) : 1
            value += beta * c1 * k3
            gradient[token] += beta * c1 * (1 - exp(difference))
            if correction, !isSequenceLevel { gradient[token] += beta * c1 * k3 }
            rowSum += c1 * k3
        }
        guard correction, isSequenceLevel else { return }
        let share = beta * rowSum / Double(max(row.tokenCount, 1))
        for token in row.mask.indices where row.mask[token] { gradient[token] += share }
    }

    private func addEntropyBonus(_ batch: LossBatch, selected: [[Bool]], to result: inout LossEvaluation) {
        for (row, tokens) in zip(batch.rows, selected) where row.isScored {
            for token in tokens.indices where tokens[token] { result.entropySum += Double(row.entropies[token]) }
            result.entropyTokens += tokens.count { $0 }
        }
        guard let coefficient = batch.entropyCoefficient else { return }
        let window = batch.isTraining ? Double(batch.window) : 1
        let isWindowDivided = !configuration.lossType.dividesByItemCount
        result.metrics.append(("policy_loss", result.loss * (isWindowDivided ? window : 1)))
        if !configuration.useAdaptiveEntropy { result.metrics.append(("entropy_coef", coefficient)) }
        let share = coefficient / Double(max(result.entropyTokens, 1)) / window
        result.loss -= share * result.entropySum
        result.entropyGradients = zip(batch.rows, selected).map { row, tokens in
            row.isScored ? tokens.map { $0 ? Float(-share) : 0 } : []
        }
    }
}
