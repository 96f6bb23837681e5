import ApusData
import ApusPython
import Foundation

/// A reward function in Python, called as TRL calls it, in a process that it cannot leave.
///
/// A call that raises is repeated for each completion alone, to tell on which it fails; the others keep those scores.
struct PythonReward: OutsideReward {
    let name: String
    let function: PythonFunction
    let worker: PythonWorker
    /// The function's place among the worker's.
    let index: Int
    /// Whether the first failure is all that anyone wants to know.
    let stopsAtFirstFailure: Bool

    var identity: RewardIdentity {
        switch function.source {
        case .file(let path): RewardIdentity(definition: .string(function.name), file: URL(filePath: path))
        case .module: RewardIdentity(definition: .string(function.text))
        }
    }

    func evaluate(_ context: RewardContext) async throws -> RewardEvaluation {
        let reply: CallReply
        do {
            let request = TransferredBatch(context: context).json([
                "call": "score", "function": .integer(index), "stop_at_first_failure": .bool(stopsAtFirstFailure),
            ])
            reply = try JSONDecoder().decode(CallReply.self, from: await worker.call(request))
        } catch {
            throw failure("\(error) (\(Self.range(context.completions.count)))")
        }
        let call = reply.call.map { "; the call was \($0)" } ?? ""
        guard let scores = reply.scores else {
            throw failure((reply.failures.first?.reason ?? "gave no scores") + call, at: reply.failures.first?.sample)
        }
        guard scores.count == context.completions.count else {
            throw RewardError.wrongCount(function: name, wanted: context.completions.count, found: scores.count)
        }
        let failures = reply.failures.map { SampleFailure(sample: $0.sample ?? 0, reason: $0.reason + call) }
        return RewardEvaluation(
            scores: scores, failures: failures,
            metrics: (reply.metrics ?? [:]).mapValues { $0.compactMap(\.self) }, extraColumns: reply.extra ?? [:])
    }

    private func failure(_ reason: String, at sample: Int? = nil) -> RewardError {
        .failed(function: name, sample: sample, reason: reason)
    }

    private static func range(_ count: Int) -> String {
        count == 1 ? "called on completion 0" : "called on completions 0 to \(count - 1)"
    }
}
