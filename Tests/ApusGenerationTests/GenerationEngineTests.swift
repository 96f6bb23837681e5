import ApusGeneration
import ApusModel
import ApusTensor
import ApusTestModels
import ApusTestSupport
import ApusText
import Foundation
import Testing

/// How generation starts, goes on and ends.
@Suite struct GenerationEngineTests {
    private struct Golden: Decodable {
        struct Greedy: Decodable {
            var prompt: [Int32]
            var tokens: [Int32]
        }
        var greedy: Greedy
    }

    /// The demo's model, which ends its answers with an end token.
    private static func arithmeticModel() throws -> LanguageModel {
        try LanguageModel(
            path: Fixture.url("base96-slips").path, precision: .bf16, backend: TestDevice.backend(threads: 1))
    }

    private static func question(_ model: LanguageModel) throws -> [Int32] {
        try model.tokenizer.encodeChat([.init(role: "user", content: "Tom has 12 apples and buys 9 more. How many?")])
    }

    private static func tinyEngine() throws -> GenerationEngine {
        let tiny = try TinyModel("tiny_llama", precision: .f32, backend: TestDevice.backend(threads: 1))
        return GenerationEngine(model: tiny.model, adapter: tiny.adapter)
    }

    @Test(arguments: TinyModel.names)
    func greedyContinuationIsThatOfTransformers(name: String) throws {
        let golden = try Fixture.json("\(name)/golden.json", as: Golden.self).greedy
        let tiny = try TinyModel(name, precision: .f32, backend: TestDevice.backend(threads: 2))
        let engine = GenerationEngine(model: tiny.model, adapter: tiny.adapter)
        let sampling = SamplingParameters(temperature: 0, maxNewTokens: golden.tokens.count)
        let completion = try engine.generate([GenerationRequest(prompt: golden.prompt)], sampling: sampling)[0][0]
        #expect(completion.tokens == golden.tokens)
        #expect(completion.finishReason == .length)
        // Greedy tokens are scored at temperature 1.
        let group = TokenGroup(prompt: golden.prompt, completions: [golden.tokens])
        let scores = try TrainingPass(model: tiny.model, adapter: tiny.adapter).score([group])
        #expect(completion.logProbs == scores[0][0].logProbs)
    }

    @Test func anEndTokenStopsOneCompletionAndNotItsSiblings() throws {
        let model = try Self.arithmeticModel()
        let engine = GenerationEngine(model: model, adapter: nil)
        let request = GenerationRequest(prompt: try Self.question(model), completions: 16)
        let sampling = SamplingParameters(maxNewTokens: 60, seed: 3)
        let completions = try engine.generate([request], sampling: sampling)[0]
        #expect(Set(completions.map(\.tokens.count)).count > 1)
        for completion in completions {
            let ends = completion.tokens.indices.filter { model.endTokens.contains(completion.tokens[$0]) }
            #expect(completion.logProbs.count == completion.tokens.count)
            switch completion.finishReason {
            case .stop: #expect(ends == [completion.tokens.count - 1])
            case .length: #expect(ends.isEmpty && completion.tokens.count == 60)
            }
        }
        #expect(completions.contains { $0.finishReason == .stop && !$0.isTruncated })
    }

    @Test func noEndTokenComesBeforeTheShortestLength() throws {
        let model = try Self.arithmeticModel()
        let engine = GenerationEngine(model: model, adapter: nil)
        let request = GenerationRequest(prompt: try Self.question(model), completions: 8)
        let sampling = SamplingParameters(maxNewTokens: 80, minNewTokens: 50, seed: 3)
        let completions = try engine.generate([request], sampling: sampling)[0]
        #expect(completions.allSatisfy { $0.tokens.count > 50 })
        #expect(completions.allSatisfy { $0.tokens.prefix(50).allSatisfy { !model.endTokens.contains($0) } })
    }

    @Test func theHandlerHearsEveryTokenInOrder() throws {
        let engine = try Self.tinyEngine()
        let requests = [
            GenerationRequest(prompt: [9, 8, 7], completions: 2), GenerationRequest(prompt: [4], completions: 1),
        ]
        var heard: [[[Int32]]] = [[[], []], [[]]]
        let completions = try engine.generate(requests, sampling: SamplingParameters(maxNewTokens: 6)) {
            heard[$0.request][$0.sample].append($0.token)
            return true
        }
        #expect(completions.map { $0.map(\.tokens) } == heard)
    }

    @Test func theHandlerStopsEverything() throws {
        let engine = try Self.tinyEngine()
        let requests = (0..<3).map { GenerationRequest(prompt: [9, 8, 7, Int32(10 + $0)], completions: 200) }
        var calls = 0
        let completions = try engine.generate(requests, sampling: SamplingParameters(maxNewTokens: 20)) { _ in
            calls += 1
            return calls < 250
        }
        #expect(calls == 250, "called again after it had said stop")
        #expect(completions.count == 3)
        #expect(completions.joined().reduce(0) { $0 + $1.tokens.count } == 250)
        #expect(completions[0].allSatisfy { !$0.tokens.isEmpty && $0.finishReason == .length })
    }

    @Test func theContextEndsACompletion() throws {
        let engine = try Self.tinyEngine()
        let sampling = SamplingParameters(maxNewTokens: 40, minNewTokens: 40)
        let requests = [120, 127, 20].map { GenerationRequest(prompt: TokenSequences.tokens($0, seed: $0)) }
        let completions = try engine.generate(requests, sampling: sampling).map { $0[0] }
        #expect(completions.map(\.tokens.count) == [8, 1, 40])
        #expect(completions.allSatisfy { $0.finishReason == .length })
    }

    @Test func impossibleRequestsAreRefused() throws {
        let engine = try Self.tinyEngine()
        func refusal(
            _ prompt: [Int32], completions: Int = 1,
            _ sampling: SamplingParameters = SamplingParameters(maxNewTokens: 4)
        ) -> String? {
            let request = GenerationRequest(prompt: prompt, completions: completions)
            let error = #expect(throws: ModelError.self) { try engine.generate([request], sampling: sampling) }
            return error?.description
        }
        #expect(refusal([])?.contains("at least one token") == true)
        #expect(refusal(TokenSequences.tokens(128, seed: 1))?.contains("128") == true)
        #expect(refusal([256])?.contains("256") == true)
        #expect(refusal([-1])?.contains("-1") == true)
        #expect(refusal([5], completions: 0) != nil)
        #expect(refusal([5], SamplingParameters(maxNewTokens: 0)) != nil)
        #expect(refusal([5], SamplingParameters(temperature: -1, maxNewTokens: 4))?.contains("temperature") == true)
        #expect(refusal([5], SamplingParameters(temperature: .nan, maxNewTokens: 4))?.contains("temperature") == true)
        #expect(try engine.generate([], sampling: SamplingParameters(maxNewTokens: 4)).isEmpty)
    }
}
