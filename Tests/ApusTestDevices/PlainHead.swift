internal import ApusTensor
internal import Foundation

/// A head, and what its products mean.
struct PlainHead {
    let weight: PlainWeight
    let scale: Float
    let softCap: Float?

    var vocabulary: Int { weight.outputs }

    /// Products x become scale · x, or c · tanh(scale · x / c).
    func turnIntoLogits(_ products: UnsafeMutablePointer<Float>, _ count: Int) {
        guard scale != 1 || softCap != nil else { return }
        for i in 0..<count {
            let x = scale * products[i]
            // What is not finite becomes NaN: it must not hide as a cap.
            products[i] = softCap.map { Float(Double($0) * tanh(Double(x) / Double($0))) + x * 0 } ?? x
        }
    }

    /// A row of logits becomes the gradient of a · logProb + b · entropy by the products: of tempered logits z it is
    /// a (1[j = target] - p_j) - b p_j (log p_j + entropy).
    func turnIntoGradient(
        _ logits: UnsafeMutablePointer<Float>, _ target: Int, _ score: HeadScore,
        _ gradients: UnsafePointer<Float>, _ temperature: Float
    ) {
        let (byLogProb, byEntropy, temperature) = (Double(gradients[0]), Double(gradients[1]), Double(temperature))
        let (logSumExp, entropy) = (Double(score.logSumExp), Double(score.entropy))
        for i in 0..<vocabulary {
            let logit = Double(logits[i])
            let logShare = logit / temperature - logSumExp
            let share = exp(logShare)
            let isTarget = i == target ? 1.0 : 0
            let byLogit = byLogProb * (isTarget - share) - byEntropy * share * (logShare + entropy)
            logits[i] = Float(byLogit / temperature * slope(logit))
        }
    }

    /// The derivative of a logit by its product.
    private func slope(_ logit: Double) -> Double {
        guard let cap = softCap.map(Double.init) else { return Double(scale) }
        return Double(scale) * (1 - logit / cap * (logit / cap))
    }
}

extension HeadScore {
    /// What a row of logits says of a token.
    init(_ logits: UnsafePointer<Float>, _ count: Int, _ token: Int, _ temperature: Float) {
        let temperature = Double(temperature)
        var largest = -Double.infinity
        for i in 0..<count where Double(logits[i]) / temperature > largest { largest = Double(logits[i]) / temperature }
        var (sum, weighted) = (0.0, 0.0)
        for i in 0..<count {
            let z = Double(logits[i]) / temperature
            let weight = exp(z - largest)
            sum += weight
            // A logit of -∞ weighs nothing; 0 · ∞ would be no number.
            if weight != 0 { weighted += weight * z }
        }
        let logSumExp = largest + log(sum)
        self.init(
            logProb: Float(Double(logits[token]) / temperature - logSumExp), entropy: Float(logSumExp - weighted / sum),
            logSumExp: Float(logSumExp))
    }

    /// A score in a matrix of them.
    init(_ values: UnsafePointer<Float>) {
        self.init(logProb: values[0], entropy: values[1], logSumExp: values[2])
    }

    /// Puts it there.
    func write(to values: UnsafeMutablePointer<Float>) {
        (values[0], values[1], values[2]) = (logProb, entropy, logSumExp)
    }
}
