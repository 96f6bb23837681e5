import ApusNetwork
import Foundation

/// An error, and whether the same may work later.
struct HubTrouble: Error {
    var error: HubError
    /// Whether it is worth another try.
    var isPassing: Bool
    /// How long the server asks to wait.
    var delay: Duration?

    init(_ code: HubError.Code, _ message: String, isPassing: Bool = false, delay: Duration? = nil) {
        error = HubError(code, message)
        self.isPassing = isPassing
        self.delay = delay
    }

    init(_ error: HubError) {
        self.error = error
        isPassing = false
    }
}

/// What a question is about, so that an answer with a bare status becomes a sentence.
struct HubSubject: Sendable {
    var name: RepositoryName
    /// The file in question.
    var path: String?

    /// Why an answer with this head is no success; nil for one that is.
    func trouble(_ head: HTTPHead, host: URL, settings: HubSettings) -> HubTrouble? {
        // A redirection to storage is an answer too: its head says what the file is.
        if (200..<400).contains(head.status) { return nil }
        let isHub = host.isOnServer(of: settings.endpoint)
        let code = isHub ? head["X-Error-Code"] : nil
        let hostName = host.host ?? "the server"
        switch code {
        case "GatedRepo": return gated(settings)
        case "RevisionNotFound":
            return HubTrouble(.missingRevision, "\(name.described) has no revision '\(name.revision)'")
        case "EntryNotFound": return missingFile
        case "RepoNotFound": return missing(head, settings)
        default: break
        }
        switch head.status {
        case 404 where isHub && path != nil: return missingFile
        case 404 where isHub, 401 where isHub: return missing(head, settings)
        case 403 where isHub:
            return HubTrouble(
                .unauthorized,
                "\(hostName) does not allow access to \(name.described)\(said(head)); check HF_TOKEN's rights")
        case 429: return limited(head, hostName, settings)
        case 500..., 408:
            return HubTrouble(
                .unavailable, "\(hostName) answers with status \(head.status)\(said(head)); try again later",
                isPassing: true, delay: Self.delay(head))
        default:
            return HubTrouble(
                .badAnswer, "\(hostName) answers with status \(head.status) for \(name.described)\(said(head))")
        }
    }

    private var missingFile: HubTrouble {
        HubTrouble(.missingFile, "\(name.described) has no file '\(path ?? "")' at '\(name.revision)'")
    }

    /// Why there is no answer.
    func trouble(_ failure: HTTPOutcome.Failure, host: URL) -> HubTrouble {
        let hostName = host.host ?? "the server"
        switch failure {
        case .unavailable: return HubTrouble(.unavailable, "the hub \(HTTPFailure.withoutLibrary)")
        case .unreachable(let problem):
            return HubTrouble(
                .unavailable,
                "\(hostName) cannot be reached or broke off: \(problem); try again, or set HF_ENDPOINT to a mirror",
                isPassing: true)
        case .timedOut:
            return HubTrouble(
                .stalled, "\(hostName) sends nothing, or too slowly; try again, or set HF_ENDPOINT to a mirror",
                isPassing: true)
        case .tooLarge: return HubTrouble(.badAnswer, "\(hostName) answers with more than was asked for")
        case .cancelled: return HubTrouble(HubError.cancelled)
        case .file(let number): return HubTrouble(.system(number, path ?? "a file", "cannot be written"))
        }
    }

    private func gated(_ settings: HubSettings) -> HubTrouble {
        let page = "\(settings.endpoint.withoutSecrets)/\(name.kind == .dataset ? "datasets/" : "")\(name.id)"
        let remedy =
            settings.token == nil ? "then set HF_TOKEN" : "with the account of HF_TOKEN, or set that of another one"
        return HubTrouble(.gated, "\(name.described) is gated: accept its terms at \(page), \(remedy)")
    }

    private func missing(_ head: HTTPHead, _ settings: HubSettings) -> HubTrouble {
        if head["X-Error-Message"]?.contains("Invalid credentials") == true {
            return HubTrouble(.unauthorized, "the hub does not know the token in HF_TOKEN or its file; log in again")
        }
        let remedy = settings.token == nil ? "set HF_TOKEN if it is private" : "HF_TOKEN may not give access to it"
        return HubTrouble(.missingRepository, "there is no \(name.described) on the hub, or it is private: \(remedy)")
    }

    private func limited(_ head: HTTPHead, _ host: String, _ settings: HubSettings) -> HubTrouble {
        let delay = Self.delay(head)
        let isBearable = delay.map { $0 <= settings.longestDelay } ?? true
        let wait = delay.map { "try again in \($0.components.seconds) s" } ?? "try again later"
        return HubTrouble(
            .rateLimited,
            "\(host) asks for fewer requests: \(wait)\(settings.token == nil ? ", or set HF_TOKEN for more" : "")",
            isPassing: isBearable, delay: delay)
    }

    /// The hub's own words.
    func said(_ head: HTTPHead) -> String { head["X-Error-Message"].map { " (\($0.prefix(200)))" } ?? "" }

    /// How long the server asks to wait: `Retry-After` in seconds, or the hub's `RateLimit: "api";r=0;t=55`.
    private static func delay(_ head: HTTPHead) -> Duration? {
        if let text = head["Retry-After"], let seconds = Int(text), seconds >= 0 {
            return .seconds(min(seconds, 1_000_000))
        }
        let parts = (head["RateLimit"] ?? "").split(separator: ";").map { $0.filter { $0 != " " } }
        guard parts.contains("r=0"), let time = parts.first(where: { $0.hasPrefix("t=") }),
            let seconds = Int(time.dropFirst(2)), seconds >= 0
        else { return nil }
        return .seconds(min(seconds, 1_000_000))
    }
}

extension HubConnection {
    /// Does something until it works, fails for good, or has failed too often.
    ///
    /// - Parameter progress: how far it is, in bytes; a try that gets much further does not count as failed.
    /// - Throws: The last failure.
    func retrying<Value: Sendable>(
        about subject: HubSubject, progress: @Sendable () -> Int = { 0 },
        _ body: () async throws(HubTrouble) -> Value
    ) async throws(HubError) -> Value {
        let leastProgress = 4 * settings.leastSpeed * Int(settings.stallTimeout.components.seconds)
        var failures = 0
        var tries = 0
        while true {
            let before = progress()
            do throws(HubTrouble) {
                return try await body()
            } catch {
                tries += 1
                // A server that brings a few bytes every time, or breaks off for ever, must end too.
                failures = progress() - before > leastProgress && tries < 20 * attempts ? 0 : failures + 1
                guard error.isPassing, failures < attempts else { throw error.error.hiding(settings.token) }
                try await pause(after: max(failures, 1), asked: error.delay)
            }
        }
    }

    /// Waits before another try: longer every time, and not in step with others who wait for the same server.
    func pause(after failures: Int, asked: Duration?) async throws(HubError) {
        let doubled = settings.firstDelay * (1 << min(failures - 1, 16))
        let wait = min(max(doubled, asked ?? .zero), settings.longestDelay)
        let jitter = settings.firstDelay * Double.random(in: 0...1)
        guard ContinuousClock.now + wait + jitter < deadline else {
            throw HubError(
                .stalled, "not done within \(settings.totalTimeout.components.seconds) s; run it again to go on")
        }
        do { try await Task.sleep(for: wait + jitter) } catch { throw .cancelled }
    }
}
