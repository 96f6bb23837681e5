import ApusData
import ApusModel
import ApusTensor
import Foundation
import Testing

@testable import ApusTrain

/// Says of token t that its log-probability is -t / 10, and keeps what it is told. Its one parameter moves with its gradients.
final class FakeLearner: Learner, TrainedParameters {
    var contextLength: Int? = 64
    var vocabularySize: Int? = 100_000
    var parameters: any TrainedParameters { self }
    let parameterCount = 1
    var batches: [[TokenGroup]] = []
    var gradients: [[[Float]]] = []
    var steps: [AdamWStep] = []
    var norm = 0.5
    var identity: [String: JSONValue] = [:]
    private(set) var saves = 0
    private(set) var parameter: Float = 1
    private(set) var moment: Float = 0
    private var gradient: Float = 0

    func score(
        _ groups: [TokenGroup], temperature: Float, under policy: ScoringPolicy
    ) throws -> [[TokenScores]] { try forward(groups, temperature: temperature) }

    func forward(_ groups: [TokenGroup], temperature: Float) throws -> [[TokenScores]] {
        batches.append(groups)
        return groups.map { sequence in
            let logProbs = sequence.completions[0].map { -Float($0) / 10 }
            return [TokenScores(logProbs: logProbs, entropies: logProbs.map { _ in 0.25 })]
        }
    }

    func areLikeliest(_ isAsked: [[[Bool]]]) throws -> [[[Bool]]] {
        zip(isAsked, batches[batches.count - 1]).map { asked, sequence in
            [zip(asked[0], sequence.completions[0]).map { $0 && $1 % 2 == 0 }]
        }
    }

    func backward(_ logProbGradients: [[[Float]]], entropyGradients: [[[Float]]]?) throws {
        gradients.append(logProbGradients.map { $0[0] })
        for (sequence, rows) in zip(batches[batches.count - 1], logProbGradients.map { $0[0] }) {
            for (token, row) in zip(sequence.completions[0], rows) { gradient += Float(token) * row }
        }
    }
    func zeroGradients() { gradient = 0 }
    func gradientNorm() -> Double { norm }
    func scaleGradients(by factor: Float) {}
    func adamWStep(_ step: AdamWStep) {
        steps.append(step)
        moment = 0.9 * moment + gradient
        parameter -= Float(step.learningRate) * moment
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
