import ApusGeneration
import ApusModel
import ApusTensor
import ApusTestModels
import CUDAEmulation
import Testing

extension EmulatedCard {
    /// A card whose memory is too small for what sampling would like to have: rows are computed again, and nothing else changes.
    @Suite struct SmallCardTests {
        private struct Outcome {
            var groups: [TokenGroup]
            var scores: [[TokenScores]]
            var gradients: [Float]
            var statistics: GenerationStatistics
            var forwardPasses: Int
            /// What the card gave, and what of it pages had when the completions were there.
            var usedBytes: Int
            var pageBytes: Int
        }

        /// Samples and trains on a part of the card.
        private func outcome(_ utilization: Double) throws -> Outcome {
            cuda_emulation_reset()
            cuda_emulation_set_granularity(1 << 16)
            let backend = try TestDevice.emulatedCard(utilization: utilization)
            let tiny = try TinyModel("tiny_qwen2", precision: .f32, backend: backend)
            let pages = PageStore(model: tiny.model, contents: .training(.recompute))
            let engine = GenerationEngine(model: tiny.model, adapter: tiny.adapter, pages: pages, keepsRollouts: true)
            let pass = TrainingPass(model: tiny.model, trained: .adapter(tiny.adapter), pages: pages)
            let requests = (0..<8).map { index in
                GenerationRequest(
                    prompt: TokenSequences.tokens(70, seed: index), completions: 8, firstSample: 8 * index)
            }
            let sampling = SamplingParameters(temperature: 1, maxNewTokens: 24, minNewTokens: 24, seed: 3)
            let completions = try engine.generate(requests, sampling: sampling)
            let groups = zip(requests, completions).map { TokenGroup(prompt: $0.prompt, completions: $1.map(\.tokens)) }
            let pageBytes = (pages.pageCount - pages.available) * (pages.keyValueBytes + pages.inputBytes)
            let scores = try pass.forward(Array(groups.prefix(1)))
            try pass.backward(scores.map { $0.map { $0.logProbs.map { _ in 1 } } })
            return try Outcome(
                groups: groups, scores: scores, gradients: tiny.adapter.gradients, statistics: engine.statistics,
                forwardPasses: pass.forwardPasses, usedBytes: cuda_emulation_used_memory(), pageBytes: pageBytes)
        }

        @Test func theResultsAreThoseOfALargeCard() throws {
            let large = try outcome(0.9)
            #expect(large.forwardPasses == 0 && large.statistics.dropsOfKeptRollouts == 0)
            let small = try outcome(Double(large.usedBytes - large.pageBytes * 2 / 3) / Double(8 << 30))
            #expect(small.forwardPasses == 1 && small.statistics.dropsOfKeptRollouts > 0)
            #expect(small.statistics.mostRunning < large.statistics.mostRunning)
            #expect(large.groups == small.groups)
            #expect(large.scores == small.scores && large.gradients == small.gradients)
        }
    }
}
