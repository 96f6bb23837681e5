import ApusCPU
import ApusModel
import ApusTensor
import ApusTestModels
import Testing

@testable import ApusGeneration

/// Training on the sampler's own rows gives the bits of training with a forward pass.
@Suite struct KeptRolloutTests {
    /// Prompts that end one token before a page's end, at it and after it, and one whose context leaves a single token.
    private static let requests = [15, 16, 17, 127].enumerated().map { index, length in
        GenerationRequest(
            prompt: TokenSequences.tokens(length, seed: index), completions: 3, firstSample: 3 * index)
    }

    private static let sampling = SamplingParameters(temperature: 0.9, topP: 0.95, maxNewTokens: 36, seed: 5)

    /// A sampler and a training pass over the same pages.
    private struct Pair {
        let tiny: TinyModel
        let pages: PageStore
        let engine: GenerationEngine
        let pass: TrainingPass

        init(
            _ precision: WeightPrecision = .bf16, _ set: InstructionSet? = nil, threads: Int = 1,
            model: String = "tiny_qwen2", pages count: Int = 4096, contents: PageContents = .training(.recompute)
        ) throws {
            tiny = try TinyModel(
                model, precision: precision, backend: TestDevice.backend(instructionSet: set, threads: threads))
            pages = PageStore(model: tiny.model, contents: contents, pages: count)
            engine = GenerationEngine(model: tiny.model, adapter: tiny.adapter, pages: pages, keepsRollouts: true)
            pass = TrainingPass(model: tiny.model, trained: .adapter(tiny.adapter), pages: pages)
        }

        func sample() throws -> [TokenGroup] {
            let completions = try engine.generate(requests, sampling: sampling, step: 2)
            return zip(requests, completions).map {
                TokenGroup(prompt: $0.prompt, completions: $1.map(\.tokens))
            }
        }
    }

    private struct Outcome: Equatable {
        var scores: [[TokenScores]]
        var gradients: [Float]
    }

    private static func outcome(
        _ pass: TrainingPass, _ adapter: LoRAAdapter, _ groups: [TokenGroup], temperature: Float = sampling.temperature
    ) throws -> Outcome {
        adapter.zeroGradients()
        let scores = try pass.forward(groups, temperature: temperature)
        let weights = groups.map { $0.completions.map { $0.map { Float($0 % 7) - 3 } } }
        try pass.backward(weights, entropyGradients: weights)
        return try Outcome(scores: scores, gradients: adapter.gradients)
    }

    /// Everything, groups in another order, and parts of groups as micro-batches take them.
    private static func selections(_ groups: [TokenGroup]) -> [[TokenGroup]] {
        func part(_ group: Int, _ completions: [Int]) -> TokenGroup {
            TokenGroup(prompt: groups[group].prompt, completions: completions.map { groups[group].completions[$0] })
        }
        return [
            groups, groups.reversed(), [part(0, [0, 1])], [part(0, [2])], [part(3, [1])],
            [part(2, [2, 0]), part(1, [1]), part(3, [0, 1, 2])],
        ]
    }

    @Test(arguments: WeightPrecision.allCases, TestDevice.instructionSets)
    func keptRowsGiveTheBitsOfAForwardPass(precision: WeightPrecision, set: InstructionSet) throws {
        for threads in [1, 2, 5] {
            let pair = try Pair(precision, set, threads: threads)
            let groups = try pair.sample()
            #expect(groups[3].completions.allSatisfy { $0.count == 1 })
            #expect(groups[0].completions.contains { $0.count > 17 }, "nothing crossed two pages")
            let reference = TrainingPass(model: pair.tiny.model, adapter: pair.tiny.adapter)
            let selections = Self.selections(groups)
            for selection in threads == 2 ? selections : Array(selections.prefix(1)) {
                let expected = try Self.outcome(reference, pair.tiny.adapter, selection)
                let kept = try Self.outcome(pair.pass, pair.tiny.adapter, selection)
                #expect(kept == expected, "\(threads) threads")
                #expect(kept.gradients.contains { $0 != 0 } && kept.gradients.allSatisfy(\.isFinite))
            }
            #expect(pair.pass.forwardPasses == 0)
            #expect(reference.forwardPasses > 0)
        }
    }

    /// Kept activations are rounded to 16 bits, by the sampler and by a forward pass alike.
    @Test(arguments: WeightPrecision.allCases, TestDevice.instructionSets)
    func keptActivationsGiveTheBitsOfAForwardPassThatKeepsThem(precision: WeightPrecision, set: InstructionSet) throws {
        for threads in [1, 5] {
            let pair = try Pair(precision, set, threads: threads, contents: .training(.none))
            let groups = try pair.sample()
            let reference = TrainingPass(
                model: pair.tiny.model, trained: .adapter(pair.tiny.adapter),
                pages: PageStore(model: pair.tiny.model, contents: .training(.none), pages: 4096))
            let expected = try Self.outcome(reference, pair.tiny.adapter, groups)
            #expect(try Self.outcome(pair.pass, pair.tiny.adapter, groups) == expected, "\(threads) threads")
            #expect(pair.pass.forwardPasses == 0 && reference.forwardPasses == 1)
        }
    }

    /// Rounding moves the gradient by its own size, and neither log-probabilities nor entropies at all.
    @Test(.enabled(if: TestDevice.rounds), arguments: ["tiny_qwen2", "tiny_llama"])
    func keptActivationsGiveNearlyTheSameGradient(model: String) throws {
        let pair = try Pair(.f32, model: model, contents: .training(.none))
        let groups = try pair.sample()
        let reference = TrainingPass(model: pair.tiny.model, adapter: pair.tiny.adapter)
        let exact = try Self.outcome(reference, pair.tiny.adapter, groups)
        let kept = try Self.outcome(pair.pass, pair.tiny.adapter, groups)
        #expect(kept.scores == exact.scores)
        #expect(kept.gradients != exact.gradients, "nothing was kept")
        let difference = zip(kept.gradients, exact.gradients).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
        let size = exact.gradients.reduce(0.0) { $0 + Double($1 * $1) }
        #expect((difference / size).squareRoot() < 1e-4)
    }

    @Test func aModelWithoutBiasesAndEmptyCompletionsToo() throws {
        let pair = try Pair(.nf4, threads: 2, model: "tiny_llama")
        var groups = try pair.sample()
        groups[1].completions.insert([], at: 1)
        let reference = TrainingPass(model: pair.tiny.model, adapter: pair.tiny.adapter)
        let expected = try Self.outcome(reference, pair.tiny.adapter, groups)
        #expect(try Self.outcome(pair.pass, pair.tiny.adapter, groups) == expected)
        #expect(pair.pass.forwardPasses == 0)
    }

    @Test func otherWeightsMakeAForwardPass() throws {
        let pair = try Pair()
        let groups = try pair.sample()
        let before = try Self.outcome(pair.pass, pair.tiny.adapter, groups)
        #expect(pair.pass.forwardPasses == 0)
        pair.tiny.adapter.adamWStep(
            AdamWStep(
                step: 1, learningRate: 1e-2, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0))
        let after = try Self.outcome(pair.pass, pair.tiny.adapter, groups)
        #expect(pair.pass.forwardPasses == 1)
        let reference = TrainingPass(model: pair.tiny.model, adapter: pair.tiny.adapter)
        #expect(try Self.outcome(reference, pair.tiny.adapter, groups) == after)
        #expect(after != before)
        try pair.tiny.adapter.setParameters(pair.tiny.adapter.parameters)
        _ = try pair.pass.forward(groups, temperature: Self.sampling.temperature)
        #expect(pair.pass.forwardPasses == 2, "parameters that were set count as changed")
    }

    @Test func otherTemperaturesAndOtherTokensMakeAForwardPass() throws {
        let pair = try Pair()
        let groups = try pair.sample()
        let reference = TrainingPass(model: pair.tiny.model, adapter: pair.tiny.adapter)
        let expected = try Self.outcome(reference, pair.tiny.adapter, groups, temperature: 1)
        #expect(try Self.outcome(pair.pass, pair.tiny.adapter, groups, temperature: 1) == expected)
        #expect(pair.pass.forwardPasses == 1)
        var changed = groups
        changed[0].completions[0][0] = changed[0].completions[0][0] == 9 ? 10 : 9
        let other = try Self.outcome(reference, pair.tiny.adapter, changed)
        #expect(try Self.outcome(pair.pass, pair.tiny.adapter, changed) == other)
        #expect(pair.pass.forwardPasses == 2)
    }

    @Test func scoringComputesEvenWhatIsKept() throws {
        let pair = try Pair()
        let groups = try pair.sample()
        let computed = try pair.pass.score(groups, temperature: Self.sampling.temperature)
        #expect(pair.pass.forwardPasses == 1)
        #expect(try pair.pass.forward(groups, temperature: Self.sampling.temperature) == computed)
        #expect(pair.pass.forwardPasses == 1)
    }

    @Test func theNextGenerationTakesThePagesBack() throws {
        let pair = try Pair()
        let groups = try pair.sample()
        #expect(pair.pages.available < pair.pages.pageCount)
        let elsewhere = [GenerationRequest(prompt: [5, 6, 7])]
        _ = try pair.engine.generate(elsewhere, sampling: SamplingParameters(temperature: 0.9, maxNewTokens: 1))
        // One page of the new prompt is kept; its only token has no row.
        #expect(pair.pages.available == pair.pages.pageCount - 1)
        _ = try Self.outcome(pair.pass, pair.tiny.adapter, groups)
        #expect(pair.pass.forwardPasses == 1)
        pair.pages.dropKept()
        #expect(pair.pages.available == pair.pages.pageCount)
    }

    /// A gradient that is due owns its rows: what frees them meanwhile must not overwrite them.
    @Test func rowsOutliveWhatKeptThemUntilTheBackwardPass() throws {
        let pair = try Pair()
        let groups = try pair.sample()
        let expected = try Self.outcome(pair.pass, pair.tiny.adapter, groups)
        pair.tiny.adapter.zeroGradients()
        let scores = try pair.pass.forward(groups, temperature: Self.sampling.temperature)
        _ = try pair.engine.generate(
            Self.requests.reversed(), sampling: SamplingParameters(maxNewTokens: 30, seed: 77))
        let weights = groups.map { $0.completions.map { $0.map { Float($0 % 7) - 3 } } }
        try pair.pass.backward(weights, entropyGradients: weights)
        #expect(try Outcome(scores: scores, gradients: pair.tiny.adapter.gradients) == expected)
    }

    /// Two requests for one prompt, and completions that repeat each other, keep one copy.
    @Test func equalPromptsAndEqualCompletionsAreKeptOnce() throws {
        let pair = try Pair()
        let prompt = TokenSequences.tokens(17, seed: 1)
        let requests = [0, 1].map { GenerationRequest(prompt: prompt, completions: 2, firstSample: $0) }
        let sampling = SamplingParameters(temperature: 0.9, maxNewTokens: 20, seed: 5)
        let completions = try pair.engine.generate(requests, sampling: sampling).map { $0.map(\.tokens) }
        #expect(completions[0][1] == completions[1][0], "the same sample number")
        let groups = completions.map { TokenGroup(prompt: prompt, completions: $0) }
        let reference = TrainingPass(model: pair.tiny.model, adapter: pair.tiny.adapter)
        let expected = try Self.outcome(reference, pair.tiny.adapter, groups)
        #expect(try Self.outcome(pair.pass, pair.tiny.adapter, groups) == expected)
        #expect(pair.pass.forwardPasses == 0)
        pair.pages.dropKept()
        #expect(pair.pages.available == pair.pages.pageCount)
    }

    @Test func aPassThatTheBudgetDoesNotHoldIsRefused() throws {
        let pair = try Pair(pages: 5)
        let group = TokenGroup(
            prompt: TokenSequences.tokens(40, seed: 1), completions: [[4, 5, 6], [7, 8, 9], [3, 4]])
        let error = #expect(throws: MemoryShortage.self) { try pair.pass.score([group]) }
        #expect(error?.work == .trainingPass && (error?.wanted ?? 0) > (error?.found ?? 0))
        #expect(pair.pages.available == 5)
        #expect(try pair.pass.score([TokenGroup(prompt: group.prompt, completions: [[4, 5, 6]])]).count == 1)
        #expect(pair.pages.available == 5)
    }
}
