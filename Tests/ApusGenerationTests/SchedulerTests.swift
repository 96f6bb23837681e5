import ApusModel
import ApusTensor
import ApusTestModels
import Testing

@testable import ApusGeneration

/// What is sampled does not depend on which sequences run together, nor on how many pages there are.
@Suite struct SchedulerTests {
    /// Prompts and completions of many lengths: the context of 128 tokens cuts some completions short.
    private static let requests: [GenerationRequest] = {
        var first = 0
        return (0..<14).map { index in
            let length = [1, 15, 16, 17, 33, 50, 64, 90, 100, 120, 127, 31, 48, 5][index]
            defer { first += 1 + index % 3 }
            return GenerationRequest(
                prompt: TokenSequences.tokens(length, seed: index), completions: 1 + index % 3, firstSample: first)
        }
    }()

    private static let sampling = SamplingParameters(
        temperature: 1, topP: 0.95, repetitionPenalty: 1.1, maxNewTokens: 60, seed: 11)

    private struct Setup {
        let tiny: TinyModel
        let pages: PageStore
        let engine: GenerationEngine

        init(pages count: Int, lanes: Int = 256, keeps: Bool = false) throws {
            tiny = try TinyModel("tiny_llama", precision: .bf16, backend: TestDevice.backend(threads: 2))
            pages = PageStore(model: tiny.model, contents: keeps ? .training(.recompute) : .keysAndValues, pages: count)
            engine = GenerationEngine(
                model: tiny.model, adapter: tiny.adapter, pages: pages, keepsRollouts: keeps, laneLimit: lanes)
        }
    }

    private static func completions(_ setup: Setup) throws -> [[Completion]] {
        try setup.engine.generate(requests, sampling: sampling, step: 1)
    }

    @Test(arguments: [1, 3, 256], [9, 12, 30, 4096])
    func lanesAndPagesChangeNothing(lanes: Int, pages: Int) throws {
        let reference = try Self.completions(Setup(pages: 4096))
        let setup = try Setup(pages: pages, lanes: lanes)
        #expect(try Self.completions(setup) == reference)
        let statistics = setup.engine.statistics
        #expect(statistics.mostRunning <= lanes)
        #expect(setup.pages.available == pages, "pages were lost")
        if pages == 4096 {
            #expect(statistics.preemptions == 0)
            #expect(statistics.prefillRows == Self.requests.reduce(0) { $0 + $1.prompt.count }, "a prompt comes once")
        }
        // A token a row, but for each completion's last.
        let tokens = reference.joined().reduce(0) { $0 + $1.tokens.count - 1 }
        #expect(statistics.decodeRows == tokens)
        #expect(Set(reference.joined().map(\.tokens.count)).count > 4, "all of one length")
    }

    @Test(arguments: 9..<33)
    func noSizeOfThePoolChangesAnything(pages: Int) throws {
        let reference = try Self.completions(Setup(pages: 4096))
        let setup = try Setup(pages: pages, lanes: 1 + pages * 7 % 11, keeps: true)
        #expect(try Self.completions(setup) == reference)
        setup.pages.dropKept()
        #expect(setup.pages.available == pages, "pages were lost")
    }

    /// Four sequences that grow to 5 pages each, in a pool of 12.
    @Test func sequencesThatHaveToLeaveComeBack() throws {
        let requests = (0..<4).map {
            GenerationRequest(prompt: TokenSequences.tokens(16, seed: $0), firstSample: $0)
        }
        let sampling = SamplingParameters(maxNewTokens: 60, minNewTokens: 60, seed: 4)
        let reference = try Setup(pages: 4096).engine.generate(requests, sampling: sampling)
        let setup = try Setup(pages: 12)
        #expect(try setup.engine.generate(requests, sampling: sampling) == reference)
        #expect(setup.engine.statistics.preemptions > 0)
        #expect(setup.engine.statistics.mostRunning == 4)
        #expect(setup.pages.available == 12)
    }

    /// No lane waits for the longest completion of a wave.
    @Test func finishedSequencesMakeRoomAtOnce() throws {
        let setup = try Setup(pages: 4096, lanes: 3)
        let completions = try Self.completions(setup).joined()
        let rows = completions.map { $0.tokens.count - 1 }
        let longest = rows.max() ?? 0
        #expect(setup.engine.statistics.decodeSteps <= (rows.reduce(0, +) + 2) / 3 + longest)
    }

    @Test func keptRolloutsGoBeforeAnySequenceHasToLeave() throws {
        let reference = try Self.completions(Setup(pages: 4096))
        let setup = try Setup(pages: 40, lanes: 3, keeps: true)
        let completions = try Self.completions(setup)
        #expect(completions == reference)
        #expect(setup.engine.statistics.dropsOfKeptRollouts == 1)
        #expect(setup.engine.statistics.preemptions == 0)
        #expect(setup.pages.available == 40)
        // Training then runs the model itself.
        let group = TokenGroup(prompt: Self.requests[4].prompt, completions: completions[4].map(\.tokens))
        let pass = TrainingPass(model: setup.tiny.model, trained: .adapter(setup.tiny.adapter), pages: setup.pages)
        let scores = try pass.forward([group], temperature: 1)
        #expect(pass.forwardPasses == 1)
        #expect(scores[0].map(\.logProbs) == completions[4].map(\.logProbs))
    }

    @Test func whatWasKeptBeforeIsNoHindrance() throws {
        let reference = try Self.completions(Setup(pages: 4096))
        let setup = try Setup(pages: 400, keeps: true)
        for _ in 0..<3 { #expect(try Self.completions(setup) == reference) }
        #expect(setup.engine.statistics.dropsOfKeptRollouts == 0)
        setup.pages.dropKept()
        #expect(setup.pages.available == 400)
    }

    @Test(arguments: [1, 100, 137], [12, 4096])
    func theHandlerCanStopAnyTime(calls limit: Int, pages: Int) throws {
        let reference = try Self.completions(Setup(pages: 4096))
        let setup = try Setup(pages: pages, lanes: 3)
        var calls = 0
        let completions = try setup.engine.generate(Self.requests, sampling: Self.sampling, step: 1) { _ in
            calls += 1
            return calls < limit
        }
        #expect(calls == limit)
        #expect(completions.joined().reduce(0) { $0 + $1.tokens.count } == limit)
        for (found, whole) in zip(completions.joined(), reference.joined()) {
            #expect(whole.tokens.starts(with: found.tokens) && whole.logProbs.starts(with: found.logProbs))
        }
        #expect(setup.pages.available == pages)
        #expect(try Self.completions(setup) == reference, "a later generation is another")
    }

    @Test func aSequenceThatDoesNotFitAloneIsRefused() throws {
        for pages in [0, 3, 7] {
            let setup = try Setup(pages: pages)
            let request = GenerationRequest(prompt: TokenSequences.tokens(100, seed: 8))
            let error = #expect(throws: MemoryShortage.self) {
                try setup.engine.generate([request], sampling: SamplingParameters(maxNewTokens: 28, minNewTokens: 28))
            }
            #expect(error?.description.contains("128 tokens") == true)
            #expect(error?.work == .sequence(tokens: 128))
            #expect(setup.pages.available == pages)
        }
    }

    /// The smallest pool that holds the longest sequence is enough.
    @Test func onePoolForTheLongestSequenceIsEnough() throws {
        let reference = try Self.completions(Setup(pages: 4096))
        let setup = try Setup(pages: 9)
        #expect(try Self.completions(setup) == reference)
    }

    @Test func manyMoreSequencesThanLanes() throws {
        let setup = try Setup(pages: 4096, lanes: 8)
        let request = GenerationRequest(prompt: TokenSequences.tokens(20, seed: 3), completions: 300)
        let sampling = SamplingParameters(maxNewTokens: 4, seed: 2)
        let few = try setup.engine.generate([request], sampling: sampling)
        let many = try Setup(pages: 4096).engine.generate([request], sampling: sampling)
        #expect(few == many)
        #expect(setup.engine.statistics.prefillRows == 20)
        #expect(setup.engine.statistics.mostRunning == 8)
    }
}
