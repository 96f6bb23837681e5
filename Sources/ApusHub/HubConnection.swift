import ApusFormats
import ApusNetwork
import Foundation

/// Asks the hub: adds the token where it belongs, follows redirections by hand, tries again what may work later.
struct HubConnection: Sendable {
    let settings: HubSettings
    let deadline: ContinuousClock.Instant
    /// How often something is tried that brings nothing.
    var attempts: Int

    /// How often one question may be sent on.
    private static let redirectionLimit = 8

    init(_ settings: HubSettings) {
        self.settings = settings
        attempts = settings.attempts
        deadline = .now + settings.totalTimeout
    }

    /// The address of something on the endpoint; `path` is percent-encoded.
    ///
    /// - Throws: ``HubError`` with code `badName`.
    func address(_ path: String, query: String? = nil) throws(HubError) -> URL {
        let text = settings.endpoint.absoluteString + path + (query.map { "?\($0)" } ?? "")
        guard let url = URL(string: text) else { throw HubError(.badName, "'\(path)' makes no address") }
        return url
    }

    /// A text as one part of an address; a slash in it is encoded unless `keepingSlashes`.
    static func encoded(_ text: String, keepingSlashes: Bool = false) -> String {
        let plain = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~".utf8)
        return text.utf8.reduce(into: "") { result, byte in
            if plain.contains(byte) || (keepingSlashes && byte == UInt8(ascii: "/")) {
                result.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                result += "%" + byte.hexadecimal(width: 2, uppercase: true)
            }
        }
    }

    /// Header fields of a request: the token goes to the endpoint only.
    func headers(for url: URL, _ more: [String: String] = [:]) -> [String: String] {
        var fields = ["User-Agent": "apus", "Accept-Encoding": "identity", "Expect": ""].merging(more) { $1 }
        if let token = settings.token, url.isOnServer(of: settings.endpoint) {
            fields["Authorization"] = "Bearer \(token)"
        }
        return fields
    }

    /// The answer to a question, in memory.
    ///
    /// - Parameter subject: what the question is about, for errors.
    /// - Throws: ``HubError`` for every answer that is no success.
    func answer(
        _ url: URL, method: String? = nil, headers more: [String: String] = [:], about subject: HubSubject
    ) async throws(HubError) -> HubAnswer {
        try await retrying(about: subject) { () async throws(HubTrouble) in
            let answer = try await followed(
                url, method: method, headers: more, about: subject, staysOnEndpoint: false)
            if let trouble = subject.trouble(answer.outcome.head, host: answer.url, settings: settings) {
                throw trouble
            }
            return answer
        }
    }

    /// One question and the redirections that come of it.
    ///
    /// - Parameter limit: for the question and its answer, where it is another time than the settings' own.
    func followed(
        _ url: URL, method: String? = nil, headers more: [String: String] = [:], body: HTTPExchange.Body? = nil,
        within limit: Duration? = nil, about subject: HubSubject, staysOnEndpoint: Bool = true
    ) async throws(HubTrouble) -> HubAnswer {
        var url = url
        for _ in 0...Self.redirectionLimit {
            var exchange = HTTPExchange(
                url, method: method, headers: headers(for: url, more), body: body,
                timeout: try remaining(limit ?? settings.requestTimeout))
            exchange.connectTimeout = settings.connectTimeout
            exchange.stallTimeout = limit ?? settings.requestTimeout
            let outcome = await exchange.send()
            if let failure = outcome.failure { throw subject.trouble(failure, host: url) }
            guard (300..<400).contains(outcome.head.status), let location = outcome.location else {
                return HubAnswer(url: url, outcome: outcome)
            }
            let next = try Self.target(location, from: url)
            // What answers elsewhere is storage; what the file is, the hub says beside the redirection.
            if staysOnEndpoint, !next.isOnServer(of: settings.endpoint) {
                return HubAnswer(url: url, outcome: outcome, elsewhere: next)
            }
            url = next
        }
        throw HubTrouble(.badAnswer, "\(url.withoutSecrets) sends on from one address to the next without end")
    }

    /// Where a redirection may lead: http or https, and never from https to http.
    static func target(_ location: String, from url: URL) throws(HubTrouble) -> URL {
        guard let next = URL(string: location), let scheme = next.scheme?.lowercased(), next.host?.isEmpty == false,
            scheme == "https" || (scheme == "http" && url.scheme?.lowercased() == "http")
        else {
            throw HubTrouble(.badAnswer, "\(url.withoutSecrets) sends on to an address that is not safe to follow")
        }
        return next
    }

    /// What is left of the whole time, and no more than `limit`.
    func remaining(_ limit: Duration) throws(HubTrouble) -> Duration {
        let left = deadline - .now
        guard left > .zero else {
            throw HubTrouble(
                .stalled,
                "not done within \(settings.totalTimeout.components.seconds) s; run it again to go on from there")
        }
        return min(left, limit)
    }
}

/// An answer and where it came from.
struct HubAnswer: Sendable {
    /// The last address that was asked.
    var url: URL
    var outcome: HTTPOutcome
    /// The server that a redirection leads to, when it is not the endpoint.
    var elsewhere: URL?

    /// The answer as JSON.
    ///
    /// - Throws: ``HubError`` with code `badAnswer`.
    func json() throws(HubError) -> JSONValue {
        do throws(JSONReader.Failure) {
            return try JSONValue(json: outcome.data)
        } catch {
            throw HubError(
                .badAnswer,
                "\(url.withoutSecrets) answered with what is not the hub's: \(error.message); check HF_ENDPOINT")
        }
    }
}
