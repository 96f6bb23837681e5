/// What was not finite in an optimizer step.
enum NumericFault: String, Sendable, Encodable {
    /// The policy's log-probabilities: the model itself is broken, or what it was given.
    case logProbs = "log-probabilities"
    /// The loss, with finite log-probabilities.
    case loss
    /// The gradient, with a finite loss.
    case gradient

    /// Looks at one micro-step before its backward pass. On policy the loss does not depend on the log-probabilities' values,
    /// so a broken model shows in them alone.
    init?(_ evaluation: LossEvaluation, _ logProbs: [[Float]]) {
        if !logProbs.allSatisfy({ $0.allSatisfy(\.isFinite) }) {
            self = .logProbs
        } else if !evaluation.loss.isFinite {
            self = .loss
        } else if !evaluation.logProbGradients.allSatisfy({ $0.allSatisfy(\.isFinite) }) {
            self = .gradient
        } else {
            return nil
        }
    }

    /// The subject of a sentence.
    var subject: String {
        switch self {
        case .logProbs: "the model's log-probabilities are"
        case .loss: "the loss is"
        case .gradient: "the gradient is"
        }
    }

    /// What to try, most likely first.
    var advice: String {
        switch self {
        case .logProbs:
            "what is trained has grown out of range: go back to an earlier checkpoint with a lower learning_rate or max_grad_norm"
        case .loss: "look at the rewards and ratios in the file; lower learning_rate, or set delta to bound the ratio"
        case .gradient: "lower learning_rate or max_grad_norm, or try load_in_4bit: false with dtype: float32"
        }
    }
}
