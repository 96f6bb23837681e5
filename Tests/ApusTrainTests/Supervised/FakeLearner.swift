import ApusModel
import Foundation

@testable import ApusTrain

/// Says of token t that its log-probability is -t / 10, and keeps what it is told.
final class FakeLearner: Learner {
    var contextLength = 64
    let parameterCount = 1
    var batches: [[TokenGroup]] = []
    var gradients: [[[Float]]] = []
    var steps: [OptimizerStep] = []
    var norm = 0.5
    private(set) var saves = 0

    func forward(_ sequences: [TokenGroup]) throws -> [TokenScores] {
        batches.append(sequences)
        return sequences.map { sequence in
            let logProbs = sequence.completions[0].map { -Float($0) / 10 }
            return TokenScores(logProbs: logProbs, entropies: logProbs.map { _ in 0.25 })
        }
    }

    func areLikeliest(_ isAsked: [[Bool]]) throws -> [[Bool]] {
        zip(isAsked, batches[batches.count - 1]).map { asked, sequence in
            zip(asked, sequence.completions[0]).map { $0 && $1 % 2 == 0 }
        }
    }

    func backward(_ logProbGradients: [[Float]]) throws { gradients.append(logProbGradients) }
    func zeroGradients() {}
    func gradientNorm() -> Double { norm }
    func scaleGradients(by factor: Float) {}
    func optimizerStep(_ parameters: OptimizerStep) { steps.append(parameters) }
    func save(to directory: URL) throws { saves += 1 }
}
