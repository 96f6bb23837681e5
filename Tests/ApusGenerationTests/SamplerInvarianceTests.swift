import ApusCPU
import ApusGeneration
import ApusModel
import ApusTensor
import ApusTestModels
import Testing

/// Equalities without a tolerance between the sampler, the trainer and the sampler in other company.
///
/// They protect the on-policy update (a sampled token's log-probability needs no second pass, and the ratio is exactly 1)
/// and reproducible rollouts: neither batching nor threads may change a token.
@Suite struct SamplerInvarianceTests {
    private func tiny(_ precision: WeightPrecision, _ set: InstructionSet, threads: Int) throws -> TinyModel {
        try TinyModel(
            "tiny_qwen2", precision: precision, backend: TestDevice.backend(instructionSet: set, threads: threads))
    }

    @Test(arguments: WeightPrecision.allCases, TestDevice.instructionSets)
    func sampledLogProbsAreThoseOfTheTrainer(precision: WeightPrecision, set: InstructionSet) throws {
        let tiny = try tiny(precision, set, threads: 2)
        for sampling in SampledTwice.sampling {
            let twice = try SampledTwice(tiny, sampling: sampling)
            #expect(twice.sampled == twice.scored)
            #expect(twice.differingCount == 0)
            #expect(twice.crossesAPage, "nothing crossed a page")
        }
    }

    @Test(arguments: WeightPrecision.allCases, TestDevice.instructionSets)
    func aRequestGivesTheSameTokensAloneAndAmongOthers(precision: WeightPrecision, set: InstructionSet) throws {
        for sampling in SampledTwice.sampling {
            var reference: [[Completion]] = []
            for threads in [1, 2, 5] {
                let tiny = try tiny(precision, set, threads: threads)
                let engine = GenerationEngine(model: tiny.model, adapter: tiny.adapter)
                let together = try engine.generate(SampledTwice.requests, sampling: sampling, step: 3)
                if reference.isEmpty { reference = together }
                #expect(together == reference, "\(threads) threads")
                guard threads == 2 else { continue }
                for (request, expected) in zip(SampledTwice.requests, reference) {
                    #expect(try engine.generate([request], sampling: sampling, step: 3) == [expected])
                    let second = GenerationRequest(prompt: request.prompt, firstSample: request.firstSample + 1)
                    #expect(try engine.generate([second], sampling: sampling, step: 3) == [[expected[1]]])
                }
            }
        }
    }

    /// More completions than are decoded together, and more prompt rows than go through a prefill pass.
    @Test func severalPrefillPassesChangeNothing() throws {
        let tiny = try tiny(.bf16, InstructionSet.selected(), threads: 2)
        let engine = GenerationEngine(model: tiny.model, adapter: tiny.adapter)
        let sampling = SamplingParameters(maxNewTokens: 3, seed: 9)
        let requests = (0..<90).map {
            GenerationRequest(prompt: TokenSequences.tokens(100, seed: $0), completions: 3, firstSample: 3 * $0)
        }
        let together = try engine.generate(requests, sampling: sampling)
        #expect(together.count == 90)
        for index in [0, 20, 84, 85, 86, 89] {
            #expect(try engine.generate([requests[index]], sampling: sampling) == [together[index]])
        }
    }

    @Test func seedStepAndSampleNumberEachChangeTheTokens() throws {
        let tiny = try tiny(.f32, InstructionSet.selected(), threads: 1)
        let engine = GenerationEngine(model: tiny.model, adapter: nil)
        func tokens(seed: UInt64 = 1, step: Int = 0, sample: Int = 0) throws -> [Int32] {
            let request = GenerationRequest(prompt: [5, 6, 7], firstSample: sample)
            let sampling = SamplingParameters(maxNewTokens: 12, seed: seed)
            return try engine.generate([request], sampling: sampling, step: step)[0][0].tokens
        }
        let all = try [tokens(), tokens(seed: 2), tokens(step: 1), tokens(sample: 1)]
        #expect(Set(all).count == 4)
        #expect(try tokens() == all[0])
    }
}
