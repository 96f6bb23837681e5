import ApusData
import ApusPython
import ApusRewards
import ApusTestSupport
import ApusText
import Foundation
import Testing

/// A file of Python reward functions and the suite that runs some of them.
struct PythonSuite {
    let folder: TemporaryFolder
    let suite: RewardSuite

    init(
        _ source: String, functions: [String] = ["f"], policy: RewardFailurePolicy = .stop,
        options: (inout PythonOptions) -> Void = { _ in }
    ) throws {
        folder = try TemporaryFolder()
        let path = try folder.write(Data(source.utf8), as: "rewards.py")
        var settings = PythonOptions(timeout: .seconds(20))
        options(&settings)
        suite = try RewardSuite(
            functions.map { RewardDeclaration("\(path):\($0)") }, python: settings, failure: policy)
    }

    /// Scores completions and ends the processes.
    func table(_ context: RewardContext, policy: RewardFailurePolicy = .stop) async throws -> RewardTable {
        defer { suite.stop() }
        return try await RewardTable(suite.functions, on: context, failure: policy)
    }

    /// The failure that scoring six completions gives.
    func failure() async throws -> String {
        let error = try await #require(throws: RewardError.self) { try await table(.six) }
        return error.description
    }

    /// What a function wrote into a file beside its own.
    func written(_ name: String) throws -> String {
        try String(contentsOf: folder.url.appending(path: name), encoding: .utf8)
    }
}

extension RewardContext {
    /// Six completions, a to f, of one conversation.
    static let six = conversation(["a", "b", "c", "d", "e", "f"])

    static func conversation(_ completions: [String], answer: String = "4") -> RewardContext {
        let prompt = Prompt.messages([
            Message(role: "system", content: "Calculate."), Message(role: "user", content: "2 + 2?"),
        ])
        let sample = Sample(prompt: prompt, columns: ["answer": .string(answer), "level": 3.0])
        return RewardContext(
            samples: completions.map { _ in sample }, completions: completions,
            completionTokens: completions.map { _ in [7, 8] }, globalStep: 5, maxSteps: 20, epoch: 0.25)
    }
}

/// Whether a process is there and not just waiting to be collected.
func isAlive(_ pid: String) -> Bool {
    guard let status = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return false }
    return !["Z", "X"].contains(status.split(separator: ")").last?.split(separator: " ").first.map(String.init) ?? "X")
}
