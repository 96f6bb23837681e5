import ApusData
import Testing

@Suite("Scores are checked strictly")
struct RewardTableTests {
    /// Returns what it is told to.
    private struct Fixed: RewardFunction {
        let name: String
        let values: [Double?]
        func scores(_ context: RewardContext) async throws -> [Double?] { values }
    }

    private struct Fault: Error, CustomStringConvertible {
        var description: String { "no\nluck" }
    }

    private struct Throwing: RewardFunction {
        let name = "whole"
        func scores(_ context: RewardContext) async throws -> [Double?] { throw Fault() }
    }

    private func context(_ completions: [String] = ["a", "b", "c"]) -> RewardContext {
        RewardContext(
            samples: completions.map { _ in Sample(prompt: .text("p")) }, completions: completions,
            completionTokens: completions.map { _ in [1] })
    }

    private func failure(_ functions: any RewardFunction...) async throws -> RewardError {
        try await #require(throws: RewardError.self) { try await RewardTable(functions, on: context()) }
    }

    @Test("A matrix of completions by functions; nil and NaN are missing")
    func table() async throws {
        let table = try await RewardTable(
            [Fixed(name: "x", values: [1, nil, .nan]), Fixed(name: "y", values: [0.5, 2, nil])], on: context())
        #expect(table.names == ["x", "y"])
        #expect(table.rows == [[1, 0.5], [nil, 2], [nil, nil]])
        #expect(table.column(1) == [0.5, 2, nil])
        #expect(table.unscorableRows == [2])
        #expect(table.rewards(weights: [2, 1]) == [2.5, 2, nil])
    }

    @Test("The wrong number of scores names the function", arguments: [0, 1, 2, 4])
    func wrongCount(count: Int) async throws {
        let error = try await failure(
            Fixed(name: "good", values: [1, 1, 1]), Fixed(name: "bad", values: Array(repeating: 1, count: count)))
        #expect(error == .wrongCount(function: "bad", wanted: 3, found: count))
        #expect(error.description.contains("'bad' returned \(count) scores for 3"))
    }

    @Test("Infinity names the function and the completion", arguments: [Double.infinity, -Double.infinity])
    func infinite(value: Double) async throws {
        let error = try await failure(Fixed(name: "bad", values: [1, nil, value]))
        #expect(error == .infinite(function: "bad", sample: 2, score: value))
        #expect(error.description.contains("'bad'") && error.description.contains("completion 2"))
    }

    @Test("A closure that throws names the function and the completion, on one line")
    func throwingClosure() async throws {
        let error = try await failure(
            Reward("picky") { completion, _ in
                if completion == "b" { throw Fault() }
                return 1
            })
        #expect(error == .failed(function: "picky", sample: 1, reason: "no\nluck"))
        #expect(error.description == "reward 'picky' failed on completion 1: no luck")
    }

    @Test("A function that throws as a whole names the function; the first one in order is reported")
    func throwingFunction() async throws {
        let error = try await failure(Throwing(), Fixed(name: "later", values: []))
        #expect(error == .failed(function: "whole", sample: nil, reason: "no\nluck"))
    }

    @Test("Bad input 28: what failed stops the batch, is dropped, or gets 0; what does not apply stays missing")
    func failurePolicies() async throws {
        let picky = Reward("picky") { completion, _ in
            if completion == "b" { throw Fault() }
            return completion == "c" ? nil : 1
        }
        let functions: [any RewardFunction] = [
            picky, Throwing(), Fixed(name: "infinite", values: [1, .infinity, .nan]), Fixed(name: "short", values: [1]),
        ]
        for (policy, failed) in [(RewardFailurePolicy.missing, nil), (.zero, 0)] as [(RewardFailurePolicy, Double?)] {
            let table = try await RewardTable(functions, on: context(), failure: policy)
            #expect(table.column(0) == [1, failed, nil])
            #expect(table.column(1) == [failed, failed, failed])
            #expect(table.column(2) == [1, failed, nil])
            #expect(table.column(3) == [failed, failed, failed])
            #expect(table.failures.map(\.count) == [1, 3, 1, 3])
        }
        await #expect(throws: RewardError.self) { try await RewardTable(functions, on: context(), failure: .stop) }
    }

    @Test("A missing or wrong answer column is named, with the columns that are there")
    func missingColumn() async throws {
        let reward = try #require(BuiltInRewards.named("correctness_reward_func"))
        for (columns, wanted) in [
            (["kind": "add", "gold": "4"] as [String: JSONValue], "wanted column 'answer', found gold, kind"),
            (["answer": .array([])], "wanted text in column 'answer', found an array"), ([:], "found no columns"),
        ] {
            let context = RewardContext(
                samples: [Sample(prompt: .text(""), columns: columns)], completions: ["x"], completionTokens: [[]])
            let error = try await #require(throws: RewardError.self) { try await RewardTable([reward], on: context) }
            #expect(error.description.contains("completion 0") && error.description.contains(wanted), "\(error)")
        }
    }

    @Test("Cancellation is passed on and is not a fault of the reward")
    func cancellation() async {
        let context = context()
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await RewardTable([Throwing()], on: context)
        }
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test("Columns are those of the sample; absent ones are null in the list and absent in the row")
    func columns() {
        let context = RewardContext(
            samples: [Sample(prompt: .text("p"), columns: ["answer": "1"]), Sample(prompt: .text("q"))],
            completions: ["a", "b"], completionTokens: [[], []])
        #expect(context.columns == ["answer": ["1", .null]])
        #expect(context.columns(at: 0) == ["answer": "1"])
        #expect(context.columns(at: 1) == [:])
    }
}
