public import Foundation

/// One request to a server, bounded in time and in the size of its answer.
///
/// Waiting takes no processor time, which Foundation's `URLSession` does on Linux: a post keeps three quarters of a core
/// busy until the answer is there (Swift 6.3).
public struct HTTPRequest: Sendable {
    /// Where to; `http` or `https`.
    public var url: URL
    /// Header fields beside those that every request has.
    public var headers: [String: String]
    /// What is posted; nil asks with GET.
    public var body: Data?
    /// For the whole exchange: name look-up, redirections and the last byte of the answer.
    public var timeout: Duration
    /// The longest answer in bytes; of a longer one nothing is kept.
    public var maximumSize: Int

    /// Memberwise.
    public init(
        _ url: URL, headers: [String: String] = [:], body: Data? = nil, timeout: Duration, maximumSize: Int = 1 << 26
    ) {
        self.url = url
        self.headers = headers
        self.body = body
        self.timeout = timeout
        self.maximumSize = maximumSize
    }

    /// How often a server may send on.
    private static let redirectionLimit = 5

    /// Sends the request and waits for the whole answer. Redirections that repeat the request (307, 308) are followed on the same
    /// server: another one would be given what this one is trusted with.
    ///
    /// - Throws: ``HTTPFailure``; `CancellationError` within about a second of the task's cancellation.
    public func response() async throws -> HTTPResponse {
        let deadline = ContinuousClock.now + timeout
        var request = self
        for _ in 0...Self.redirectionLimit {
            request.timeout = deadline - .now
            guard request.timeout > .zero else { throw HTTPFailure.timedOut }
            let (response, location) = try await request.exchange()
            guard [307, 308].contains(response.status), let location, let next = URL(string: location) else {
                if let location, (300..<400).contains(response.status) {
                    throw HTTPFailure.redirected(to: URL(string: location)?.withoutSecrets ?? "another address")
                }
                return response
            }
            guard next.isOnServer(of: url) else { throw HTTPFailure.redirected(to: next.withoutSecrets) }
            request.url = next
        }
        throw HTTPFailure.failed("sends on from one address to the next more than \(Self.redirectionLimit) times")
    }

    private func exchange() async throws -> (HTTPResponse, location: String?) {
        let headers = ["Content-Type": "application/json", "Expect": ""].merging(headers) { $1 }
        let outcome = await HTTPExchange(
            url, headers: headers, body: body.map { .data($0) }, timeout: timeout, maximumSize: maximumSize
        ).send()
        switch outcome.failure {
        case nil: return (HTTPResponse(status: outcome.head.status, data: outcome.data), outcome.location)
        case .unavailable: throw HTTPFailure.failed(HTTPFailure.withoutLibrary)
        case .timedOut: throw HTTPFailure.timedOut
        case .tooLarge: throw HTTPFailure.tooLarge
        case .cancelled: throw CancellationError()
        case .unreachable(let problem): throw HTTPFailure.unreachable(problem)
        case .file(let number): throw HTTPFailure.failed(String(cString: strerror(number)))
        }
    }
}

/// What a server answered.
public struct HTTPResponse: Sendable, Equatable {
    /// The status, such as 200.
    public var status: Int
    /// The answer.
    public var data: Data

    /// Memberwise.
    public init(status: Int, data: Data) {
        self.status = status
        self.data = data
    }
}

/// Why there is no answer.
public enum HTTPFailure: Error, Equatable, Sendable {
    /// The server cannot be reached, or broke off.
    case unreachable(String)
    /// The time was up before the last byte.
    case timedOut
    /// The answer is longer than it may be.
    case tooLarge
    /// The server sends on to an address that the request is not sent to.
    case redirected(to: String)
    /// Anything else.
    case failed(String)

    /// What is said where libcurl is not there.
    package static let withoutLibrary = "needs the system's libcurl (libcurl.so.4), which is not installed"
}

extension URL {
    /// The address without what may be a secret: user, password, query and fragment.
    public var withoutSecrets: String {
        guard var parts = URLComponents(url: self, resolvingAgainstBaseURL: false) else { return "an address" }
        (parts.user, parts.password, parts.query, parts.fragment) = (nil, nil, nil, nil)
        return parts.string ?? "an address"
    }

    /// Whether scheme, host and port are the same.
    package func isOnServer(of other: URL) -> Bool {
        scheme == other.scheme && host == other.host && port == other.port
    }
}
