import ApusData
import Foundation
import FoundationNetworking

/// A reward that a server computes: the batch is posted as JSON, the answer is `{"rewards": [...]}`.
struct EndpointReward: OutsideReward {
    let name: String
    let url: URL
    /// The longest that one attempt may take.
    let timeout: Duration
    /// Attempts after the first, when the server cannot be reached or says that it is at fault (5xx).
    let retries: Int
    /// The pause before the first of them; each further one is twice as long.
    var pause = Duration.milliseconds(500)

    var identity: RewardIdentity { RewardIdentity(server: url) }

    private struct Answer: Decodable {
        var rewards: [JSONValue]
        var metrics: [String: Double]?
        var extra: [String: [JSONValue]]?
    }

    /// What an attempt came to, when it gave no answer.
    private struct Trouble: Error {
        var text: String
        var isWorthRepeating: Bool
    }

    func evaluate(_ context: RewardContext) async throws -> RewardEvaluation {
        let answer = try await answer(to: TransferredBatch(context: context).json())
        let count = context.completions.count
        guard answer.rewards.count == count else {
            throw RewardError.wrongCount(function: name, wanted: count, found: answer.rewards.count)
        }
        var evaluation = RewardEvaluation(
            scores: [], metrics: (answer.metrics ?? [:]).mapValues { [$0] }, extraColumns: answer.extra ?? [:])
        for (sample, value) in answer.rewards.enumerated() {
            evaluation.scores.append(value.number)
            guard value.number == nil, value != .null else { continue }
            let reason = "\(url.absoluteString) returned \(Self.shown(value)); return a number, or null"
            evaluation.failures.append(SampleFailure(sample: sample, reason: reason))
        }
        if let (column, values) = evaluation.extraColumns.first(where: { $1.count != count }) {
            throw failure("\(url.absoluteString) gave \(values.count) values of '\(column)' for \(count) completions")
        }
        return evaluation
    }

    private func answer(to body: Data) async throws -> Answer {
        var pause = pause
        for attempt in 0...retries {
            do throws(Trouble) {
                return try await attemptAnswer(to: body)
            } catch {
                let attempts = attempt > 0 ? " (\(attempt + 1) attempts)" : ""
                guard error.isWorthRepeating, attempt < retries else {
                    throw failure("\(url.absoluteString) \(error.text)\(attempts)")
                }
                try await Task.sleep(for: pause)
                pause *= 2
            }
        }
        preconditionFailure("the last attempt returns or throws")
    }

    private func attemptAnswer(to body: Data) async throws(Trouble) -> Answer {
        var request = URLRequest(url: url)
        request.httpMethod = "POST"
        request.timeoutInterval = timeout / .seconds(1)
        request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        request.httpBody = body
        let data: Data
        let response: URLResponse
        do {
            (data, response) = try await URLSession.shared.data(for: request)
        } catch {
            let isSlow = (error as? URLError)?.code == .timedOut
            let text = isSlow ? "did not answer within \(timeout.inSeconds)" : "cannot be reached"
            throw Trouble(text: text, isWorthRepeating: !isSlow)
        }
        let status = (response as? HTTPURLResponse)?.statusCode ?? 0
        guard status == 200 else {
            let text = String(decoding: data.prefix(200), as: UTF8.self)
            throw Trouble(
                text: "answered with status \(status)" + (text.isEmpty ? "" : ": \(text)"),
                isWorthRepeating: (500..<600).contains(status))
        }
        do {
            return try JSONDecoder().decode(Answer.self, from: data)
        } catch {
            let text = String(decoding: data.prefix(100), as: UTF8.self)
            throw Trouble(text: "wanted {\"rewards\": [numbers or null]}, found \(text)", isWorthRepeating: false)
        }
    }

    private func failure(_ reason: String) -> RewardError { .failed(function: name, sample: nil, reason: reason) }

    private static func shown(_ value: JSONValue) -> String {
        switch value {
        case .string(let text): "'\(text.prefix(60))' (text)"
        case .bool(let flag): "\(flag)"
        case .array: "a list"
        case .object: "a mapping"
        case .null, .number, .bigInteger: "null"
        }
    }
}
