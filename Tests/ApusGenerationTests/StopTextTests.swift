import ApusGeneration
import ApusModel
import ApusTensor
import ApusTestModels
import ApusTestSupport
import ApusText
import Foundation
import Testing

@Suite struct StopTextTests {
    private struct Golden: Decodable {
        var prompt: [Int32]
        var stop: [String]
        var tokens: [Int32]
    }

    private static func engine() throws -> (model: LanguageModel, engine: GenerationEngine) {
        let model = try LanguageModel(
            path: Fixture.url("base96-slips").path, precision: .f32, backend: TestDevice.backend(threads: 2))
        return (model, GenerationEngine(model: model, adapter: nil))
    }

    @Test("Greedy completions end where those of transformers end with stop_strings")
    func goldens() throws {
        let (model, engine) = try Self.engine()
        let cases = try Fixture.json("stop.json", as: [Golden].self)
        #expect(cases.count == 50)
        var endedByText = 0
        for golden in cases {
            let sampling = SamplingParameters(temperature: 0, maxNewTokens: 40, stop: golden.stop)
            let completion = try engine.generate([GenerationRequest(prompt: golden.prompt)], sampling: sampling)[0][0]
            #expect(completion.tokens == golden.tokens, "\(golden.stop)")
            #expect(completion.finishReason == .stop)
            endedByText += completion.tokens.last.map(model.endTokens.contains) == true ? 0 : 1
        }
        #expect(endedByText > 25)
    }

    @Test("A stop text ends each completion of a group by itself, and training scores the tokens that sampling kept")
    func groups() throws {
        let (model, engine) = try Self.engine()
        let prompt = try model.tokenizer.encodeChat([.init(role: "user", content: "12+9")])
        let request = GenerationRequest(prompt: prompt, completions: 12)
        let plain = try engine.generate([request], sampling: SamplingParameters(maxNewTokens: 40, seed: 7))[0]
        let stopped = try engine.generate(
            [request], sampling: SamplingParameters(maxNewTokens: 40, stop: ["</reasoning>"], seed: 7))[0]
        let scores = try TrainingPass(model: model, adapter: nil).score(
            [TokenGroup(prompt: prompt, completions: stopped.map(\.tokens))])
        for (index, (plain, stopped)) in zip(plain, stopped).enumerated() {
            #expect(plain.tokens.starts(with: stopped.tokens))
            let text = model.tokenizer.decode(stopped.tokens)
            #expect(text.contains("</reasoning>") == (stopped.tokens.count < plain.tokens.count), "\(text)")
            #expect(stopped.logProbs == scores[0][index].logProbs)
        }
    }

    @Test("Before the least length no text ends a completion, and an empty one never does")
    func leastLength() throws {
        let (model, engine) = try Self.engine()
        let request = GenerationRequest(prompt: try model.tokenizer.encodeChat([.init(role: "user", content: "12+9")]))
        func length(_ stop: [String], least: Int = 0) throws -> Int {
            try engine.generate(
                [request],
                sampling: SamplingParameters(temperature: 0, maxNewTokens: 9, minNewTokens: least, stop: stop))[
                    0][0].tokens.count
        }
        let whole = try length([])
        let early = try length(["reas"])
        #expect(whole > early)
        #expect(try length([""]) == whole)
        #expect(try length(["reas"], least: early + 1) == whole)
    }
}
