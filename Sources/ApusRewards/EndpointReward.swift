import ApusData
import ApusFormats
import ApusNetwork
import ApusPython
import Foundation

/// A reward that a server computes: the batch is posted as JSON, the answer is `{"rewards": [...]}`.
struct EndpointReward: OutsideReward {
    let name: String
    let url: URL
    /// The longest that one attempt may take, to its last byte.
    let timeout: Duration
    /// Attempts after the first, when the server cannot be reached or says that it is at fault (5xx).
    let retries: Int
    /// The pause before the first of them; each further one is twice as long.
    var pause = Duration.milliseconds(500)

    /// The longest answer that is read, in bytes.
    private static let maximumSize = 1 << 26

    var identity: RewardIdentity { RewardIdentity(server: URL(string: url.withoutSecrets)) }

    /// The address as messages show it.
    private var address: String { url.withoutSecrets }

    private struct Answer {
        var rewards: [JSONValue]
        var metrics: [String: Double]
        var extra: [String: [JSONValue]]

        /// Nil where the JSON is not as it was agreed.
        init?(_ data: Data) {
            guard let value = try? JSONValue(json: data), let rewards = value["rewards"]?.array else { return nil }
            self.rewards = rewards
            metrics = (value["metrics"]?.object ?? [:]).compactMapValues(\.number)
            extra = (value["extra"]?.object ?? [:]).compactMapValues(\.array)
        }
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
            scores: [], metrics: answer.metrics.mapValues { [$0] }, extraColumns: answer.extra)
        for (sample, value) in answer.rewards.enumerated() {
            evaluation.scores.append(value.number)
            guard value.number == nil, value != .null else { continue }
            let reason = "\(address) returned \(Self.shown(value)); return a number, or null"
            evaluation.failures.append(SampleFailure(sample: sample, reason: reason))
        }
        if let (column, values) = evaluation.extraColumns.first(where: { $1.count != count }) {
            throw failure("\(address) gave \(values.count) values of '\(column)' for \(count) completions")
        }
        return evaluation
    }

    private func answer(to body: Data) async throws -> Answer {
        var pause = pause
        for attempt in 0...retries {
            switch try await attemptAnswer(to: body) {
            case .success(let answer): return answer
            case .failure(let error):
                let attempts = attempt > 0 ? " (\(attempt + 1) attempts)" : ""
                guard error.isWorthRepeating, attempt < retries else {
                    throw failure("\(address) \(error.text)\(attempts)")
                }
                try await Task.sleep(for: pause)
                pause *= 2
            }
        }
        preconditionFailure("the last attempt returns or throws")
    }

    private func attemptAnswer(to body: Data) async throws -> Result<Answer, Trouble> {
        let response: HTTPResponse
        do {
            response = try await HTTPRequest(url, body: body, timeout: timeout, maximumSize: Self.maximumSize)
                .response()
        } catch let failure as HTTPFailure {
            return .failure(trouble(failure))
        }
        guard response.status == 200 else {
            let text = String(decoding: response.data.prefix(200), as: UTF8.self)
            return .failure(
                Trouble(
                    text: "answered with status \(response.status)" + (text.isEmpty ? "" : ": \(withoutSecrets(text))"),
                    isWorthRepeating: (500..<600).contains(response.status)))
        }
        if let answer = Answer(response.data) { return .success(answer) }
        let text = withoutSecrets(String(decoding: response.data.prefix(100), as: UTF8.self))
        return .failure(
            Trouble(text: "wanted {\"rewards\": [numbers or null]}, found \(text)", isWorthRepeating: false))
    }

    private func trouble(_ failure: HTTPFailure) -> Trouble {
        switch failure {
        case .timedOut: Trouble(text: "did not answer within \(timeout.inSeconds)", isWorthRepeating: false)
        case .tooLarge:
            Trouble(text: "answered with more than \(Self.maximumSize >> 20) MiB", isWorthRepeating: false)
        case .redirected(let place):
            Trouble(text: "sends on to \(place); give that address, if you trust it", isWorthRepeating: false)
        case .unreachable(let how):
            Trouble(text: "cannot be reached (\(withoutSecrets(how)))", isWorthRepeating: true)
        case .failed(let reason): Trouble(text: reason, isWorthRepeating: false)
        }
    }

    /// A server's words, which may repeat what it was asked with. Shorter values are no secrets, and would be found in any text.
    private func withoutSecrets(_ text: String) -> String {
        let parts = URLComponents(url: url, resolvingAgainstBaseURL: false)
        let values = [parts?.percentEncodedQueryItems, parts?.queryItems].compactMap(\.self).joined().map(\.value)
        let secrets = ([parts?.user, parts?.password, parts?.percentEncodedQuery] + values).compactMap(\.self)
        return secrets.filter { $0.count > 3 }.sorted { $0.count > $1.count }.reduce(text) {
            $0.replacing($1, with: "…")
        }
    }

    private func failure(_ reason: String) -> RewardError { .failed(function: name, sample: nil, reason: reason) }

    private static func shown(_ value: JSONValue) -> String {
        switch value {
        case .string(let text): "'\(text.prefix(60))' (text)"
        case .bool(let flag): "\(flag)"
        case .array: "a list"
        case .object: "a mapping"
        case .null, .integer, .number, .bigInteger: "null"
        }
    }
}
