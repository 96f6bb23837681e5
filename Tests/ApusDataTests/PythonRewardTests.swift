import ApusTestSupport
import Testing

@testable import ApusData

@Suite("Built-in rewards give what Python gives")
struct PythonRewardTests {
    struct Golden: Decodable {
        struct Case: Decodable {
            let text: String
            let answer: String
            let scores: [Double?]
        }
        let names: [String]
        let cases: [Case]
    }

    @Test("Every function on every awkward text, to the last bit")
    func goldens() throws {
        let golden = try Fixture.json("data/rewards_golden.json", as: Golden.self)
        #expect(golden.cases.count > 400)
        for (index, name) in golden.names.enumerated() {
            let function = try #require(BuiltInRewards.named(name) as? Reward)
            let context = RewardContext(
                samples: golden.cases.map { Sample(prompt: .text(""), columns: ["answer": .string($0.answer)]) },
                completions: golden.cases.map(\.text), completionTokens: golden.cases.map { _ in [] })
            for (row, score) in zip(golden.cases, try function.scores(context)) {
                #expect(score == row.scores[index], "\(name) of \(row.text.debugDescription), answer \(row.answer)")
            }
        }
    }

    @Test("The goldens cover all names, and each of them says yes and no")
    func coverage() throws {
        let golden = try Fixture.json("data/rewards_golden.json", as: Golden.self)
        // TRL's have tests of their own.
        #expect(Set(golden.names) == Set(BuiltInRewards.names).subtracting(BuiltInRewards.trl.map(\.name)))
        for index in golden.names.indices {
            #expect(Set(golden.cases.map { $0.scores[index] }).count > 1, "\(golden.names[index])")
        }
    }

    @Test("A perfect completion earns 4 of the tutorial's 4.5, as its two format patterns exclude each other")
    func maximum() async throws {
        let perfect = "<reasoning>\nx\n</reasoning>\n<answer>\n72\n</answer>\n"
        let context = RewardContext(
            samples: [Sample(prompt: .text(""), columns: ["answer": "72"])], completions: [perfect],
            completionTokens: [[]])
        let functions = try BuiltInRewards.functions(named: ["tutorial"])
        let table = try await RewardTable(functions, on: context)
        // No DOTALL: the soft pattern cannot cross the line feeds that the strict one asks for.
        #expect(table.rows == [[1, 0, 0.5, 0.5, 2]])
        #expect(table.rewards(weights: [1, 1, 1, 1, 1]) == [4.0])
    }

    @Test("Sets name existing functions; unknown names are refused with the list")
    func names() throws {
        for set in BuiltInRewards.sets.keys {
            #expect(try BuiltInRewards.functions(named: [set]).count == 5)
        }
        #expect(Set(BuiltInRewards.names).count == BuiltInRewards.names.count)
        #expect(BuiltInRewards.named("nonsense") == nil)
        let error = try #require(throws: RewardError.self) {
            try BuiltInRewards.functions(named: ["int_reward"])
        }
        #expect(error == .unknownFunction("int_reward"))
        #expect(error.description.contains("int_reward_func"))
    }

    @Test("Time grows with the length of the text, not with its square")
    func linear() throws {
        let soft = try #require(BuiltInRewards.named("soft_format_reward_func") as? Reward)
        let text = String(repeating: "<reasoning></reasoning> <answer>", count: 20_000)
        let context = RewardContext(
            prompts: [.text("")], completions: [text], completionTokens: [[]], columns: [:], globalStep: 0, maxSteps: 0)
        let start = ContinuousClock.now
        #expect(try soft.scores(context) == [0])
        let elapsed = ContinuousClock.now - start
        #expect(elapsed < .seconds(20))
    }
}
