import Apus

/// A sampler whose completions never end early: the end of a sequence is suppressed up to the length limit.
final class FixedLengthSampler: Sampler {
    private let base: any Sampler

    init(_ base: any Sampler) {
        self.base = base
    }

    var samplesExactLogProbs: Bool { base.samplesExactLogProbs }

    nonisolated(nonsending) func generate(
        _ prompts: [[Int32]], groupSize: Int, step: Int, sampling: SamplingParameters, continuesBatch: Bool,
        onToken: () -> Void
    ) async throws -> [[Completion]] {
        var sampling = sampling
        sampling.minNewTokens = sampling.maxNewTokens
        return try await base.generate(
            prompts, groupSize: groupSize, step: step, sampling: sampling, continuesBatch: continuesBatch,
            onToken: onToken)
    }
}
