package import ApusGeneration
import ApusModel

/// Completions, and what the trainer's pass makes of their tokens.
package struct SampledTwice {
    /// As they were sampled.
    package let completions: [[Completion]]
    /// The trainer's log-probabilities.
    package let scored: [[[Float]]]

    /// A prompt of every length that matters to pages, three completions each.
    package static let requests = TokenSequences.groups.enumerated().map { index, group in
        GenerationRequest(prompt: group.prompt, completions: 3, firstSample: 3 * index)
    }

    /// Ways to sample.
    package static let sampling: [SamplingParameters] = [
        SamplingParameters(temperature: 1, maxNewTokens: 40, seed: 7),
        SamplingParameters(temperature: 0.7, topP: 0.9, maxNewTokens: 40, seed: 8),
    ]

    /// The sampler's log-probabilities.
    package var sampled: [[[Float]]] { completions.map { $0.map(\.logProbs) } }
    /// Whether a completion is longer than a page.
    package var crossesAPage: Bool { completions.joined().contains { $0.tokens.count > 16 } }
    /// How many log-probabilities are not the same bits in both.
    package var differingCount: Int {
        let (a, b) = (Array(sampled.joined().joined()), Array(scored.joined().joined()))
        return a.count == b.count ? zip(a, b).count { $0.bitPattern != $1.bitPattern || !$0.isFinite } : a.count
    }

    /// Samples, and scores what was sampled.
    package init(_ tiny: TinyModel, sampling: SamplingParameters) throws {
        let engine = GenerationEngine(model: tiny.model, adapter: tiny.adapter)
        completions = try engine.generate(Self.requests, sampling: sampling, step: 3)
        let groups = zip(Self.requests, completions).map { request, completions in
            TokenGroup(prompt: request.prompt, completions: completions.map(\.tokens))
        }
        let pass = TrainingPass(model: tiny.model, adapter: tiny.adapter)
        scored = try pass.score(groups, temperature: sampling.temperature).map { $0.map(\.logProbs) }
    }
}
