import ApusData
import ApusModel
import Foundation
import Testing

@testable import ApusTrain

/// Says of token t that its log-probability is -t / 10, and keeps what it is told. Its one parameter moves with its gradients.
final class FakeLearner: Learner {
    var contextLength = 64
    var vocabularySize = 100_000
    let parameterCount = 1
    var batches: [[TokenGroup]] = []
    var gradients: [[[Float]]] = []
    var steps: [OptimizerStep] = []
    var norm = 0.5
    var identity: [String: JSONValue] = [:]
    private(set) var saves = 0
    private(set) var parameter: Float = 1
    private(set) var moment: Float = 0
    private var gradient: Float = 0

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

    func backward(_ logProbGradients: [[Float]]) throws {
        gradients.append(logProbGradients)
        for (sequence, rows) in zip(batches[batches.count - 1], logProbGradients) {
            for (token, row) in zip(sequence.completions[0], rows) { gradient += Float(token) * row }
        }
    }
    func zeroGradients() { gradient = 0 }
    func gradientNorm() -> Double { norm }
    func scaleGradients(by factor: Float) {}
    func optimizerStep(_ parameters: OptimizerStep) {
        steps.append(parameters)
        moment = 0.9 * moment + gradient
        parameter -= Float(parameters.learningRate) * moment
    }
    func save(to directory: URL) throws {
        saves += 1
        try Data("\(parameter)".utf8).write(to: directory.appending(path: "model.safetensors"))
    }
    func saveOptimizer(to directory: URL) throws {
        try Data("\(moment)".utf8).write(to: directory.appending(path: "optimizer.safetensors"))
    }
    func restore(from directory: URL) throws {
        parameter = try number(directory.appending(path: "model.safetensors"))
        moment = try number(directory.appending(path: "optimizer.safetensors"))
    }
    private func number(_ url: URL) throws -> Float {
        try #require(Float(String(contentsOf: url, encoding: .utf8)))
    }
}
