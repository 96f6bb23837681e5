import ApusData
import ApusPython
import ApusRewards
import ApusTestSupport
import Foundation
import Testing

@Suite("The tutorial's functions, in Python and unmodified, give what the built-in ones give")
struct TutorialTests {
    private struct Golden: Decodable {
        struct Case: Decodable {
            let text: String
            let answer: String
        }
        let cases: [Case]
    }

    private static let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Recipes/rewards.py").path

    @Test("Every function on every awkward text", arguments: [1, 3])
    func equality(workers: Int) async throws {
        let cases = try Fixture.json("data/rewards_golden.json", as: Golden.self).cases
        let names = try #require(BuiltInRewards.sets["tutorial"])
        let suite = try RewardSuite(
            names.map { RewardDeclaration("\(Self.file):\($0)") },
            python: PythonOptions(workers: workers, timeout: .seconds(60)))
        defer { suite.stop() }
        let context = RewardContext(
            samples: cases.map { Sample(prompt: .messages([]), columns: ["answer": .string($0.answer)]) },
            completions: cases.map(\.text), completionTokens: cases.map { _ in [] })
        let python = try await RewardTable(suite.functions, on: context)
        let builtIn = try await RewardTable(BuiltInRewards.functions(named: ["tutorial"]), on: context)
        #expect(cases.count > 400)
        #expect(python.names == builtIn.names)
        #expect(python.rows == builtIn.rows)
    }
}
