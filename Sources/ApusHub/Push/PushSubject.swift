import ApusFormats
import ApusNetwork
import Foundation

/// A question that changes something on the hub, so that an answer with a bare status becomes a sentence.
struct PushSubject: Sendable {
    let subject: HubSubject
    let settings: HubSettings

    private var name: RepositoryName { subject.name }

    /// Why the hub's answer is no success; nil for one that is.
    func trouble(_ answer: HubAnswer) -> HubTrouble? {
        let head = answer.outcome.head
        if (200..<300).contains(head.status) { return nil }
        let host = answer.url.host ?? "the server"
        switch head.status {
        case 300..<400:
            return HubTrouble(
                .badAnswer, "\(host) sends on to another server, which is not given what is pushed; check HF_ENDPOINT")
        case 401 where head["X-Error-Code"] == nil:
            return HubTrouble(
                .unauthorized,
                "\(host) does not accept the token of HF_TOKEN or its file\(said(answer)); make another one at \(tokens)"
            )
        case 403 where head["X-Error-Code"] != "GatedRepo":
            return HubTrouble(
                .unauthorized,
                "the token may not write to \(name.described)\(said(answer)); make one with write access at \(tokens)")
        case 409, 412:
            return HubTrouble(
                .conflict, "somebody else changes \(name.described) at the same time\(said(answer)); push again",
                isPassing: true)
        case 413:
            return HubTrouble(
                .badFolder, "\(host) does not take so much for \(name.described)\(said(answer)); push fewer files")
        default: return subject.trouble(head, host: answer.url, settings: settings)
        }
    }

    private var tokens: String { "\(settings.endpoint.withoutSecrets)/settings/tokens" }

    /// The hub's own words.
    private func said(_ answer: HubAnswer) -> String {
        if answer.outcome.head["X-Error-Message"] != nil { return subject.said(answer.outcome.head) }
        return ((try? answer.json())?["error"]?.string).map { " (\($0.prefix(200)))" } ?? ""
    }

    /// Why the storage's answer to a file is no success; nil for one that is.
    func storageTrouble(_ outcome: HTTPOutcome, from url: URL) -> HubTrouble? {
        let status = outcome.head.status
        // An answer that came before the last byte was sent ends the sending.
        if status >= 400 || (outcome.failure == nil && !(200..<300).contains(status)) {
            var trouble =
                subject.trouble(outcome.head, host: url, settings: settings)
                ?? HubTrouble(.badAnswer, "\(url.withoutSecrets) does not take '\(subject.path ?? "")'")
            // Addresses of the storage are good for a while only: the hub gives new ones.
            if (400..<500).contains(status), status != 413 { trouble.isPassing = true }
            return trouble
        }
        switch outcome.failure {
        case nil: return nil
        case .file:
            return HubTrouble(
                .badFolder, "'\(subject.path ?? "")' cannot be read to its end; see whether the disk is in order")
        case .some(let failure): return subject.trouble(failure, host: url)
        }
    }
}

extension HubConnection {
    /// Sends something to the hub itself, once.
    ///
    /// - Parameters:
    ///   - url: an address of the endpoint.
    ///   - limit: for the request and its answer, where it is another time than the settings' own.
    /// - Throws: ``HubTrouble`` for every answer that is no success.
    func posted(
        _ body: HTTPExchange.Body, to url: URL, type: String = "application/json", headers: [String: String] = [:],
        within limit: Duration? = nil, about subject: HubSubject
    ) async throws(HubTrouble) -> HubAnswer {
        let fields = ["Content-Type": type].merging(headers) { $1 }
        let answer = try await followed(
            url, method: "POST", headers: fields, body: body, within: limit, about: subject)
        if let trouble = PushSubject(subject: subject, settings: settings).trouble(answer) { throw trouble }
        return answer
    }

    /// Sends JSON to the hub itself until it is taken: only for what may be done twice.
    ///
    /// - Throws: ``HubError``.
    func post(
        _ tree: JSONValue, to url: URL, type: String = "application/json", headers: [String: String] = [:],
        about subject: HubSubject
    ) async throws(HubError) -> HubAnswer {
        let body = HTTPExchange.Body.data(Data(JSONWriter.ordered.write(tree).utf8))
        return try await retrying(about: subject) { () async throws(HubTrouble) in
            try await posted(body, to: url, type: type, headers: headers, about: subject)
        }
    }
}
