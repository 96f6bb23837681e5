import Apus
import Foundation

/// A policy whose completions never end early: the end of a sequence is suppressed up to the length limit.
final class FixedLengthPolicy: Policy {
    private let base: any Policy

    init(_ base: any Policy) {
        self.base = base
    }

    var contextLength: Int? { base.contextLength }
    var samplesExactLogProbs: Bool { base.samplesExactLogProbs }

    func generate(
        _ prompts: [[Int32]], groupSize: Int, step: Int, sampling: SamplingParameters, continuesBatch: Bool,
        onToken: () -> Void
    ) throws -> [[Completion]] {
        var sampling = sampling
        sampling.minNewTokens = sampling.maxNewTokens
        return try base.generate(
            prompts, groupSize: groupSize, step: step, sampling: sampling, continuesBatch: continuesBatch,
            onToken: onToken)
    }

    func score(_ groups: [TokenGroup], temperature: Float, adapterEnabled: Bool) throws -> [[TokenScores]] {
        try base.score(groups, temperature: temperature, adapterEnabled: adapterEnabled)
    }

    func forward(_ groups: [TokenGroup], temperature: Float) throws -> [[TokenScores]] {
        try base.forward(groups, temperature: temperature)
    }

    func backward(_ logProbGradients: [[[Float]]], entropyGradients: [[[Float]]]?) throws {
        try base.backward(logProbGradients, entropyGradients: entropyGradients)
    }

    func zeroGradients() { base.zeroGradients() }
    func gradientNorm() -> Double { base.gradientNorm() }
    func scaleGradients(by factor: Float) { base.scaleGradients(by: factor) }
    func optimizerStep(_ parameters: OptimizerStep) { base.optimizerStep(parameters) }
    func save(to directory: URL) throws { try base.save(to: directory) }
    func saveOptimizer(to directory: URL) throws { try base.saveOptimizer(to: directory) }
}
