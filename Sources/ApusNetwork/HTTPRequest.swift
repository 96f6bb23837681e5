import CTransfer
public import Foundation
import Synchronization

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

    /// One exchange, on a thread of its own: it blocks.
    private func exchange() async throws -> (HTTPResponse, location: String?) {
        let isCancelled = CancellationFlag()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                Thread.detachNewThread {
                    continuation.resume(with: Result { try perform(isCancelled) })
                }
            }
        } onCancel: {
            isCancelled.set()
        }
    }

    private func perform(_ isCancelled: CancellationFlag) throws -> (HTTPResponse, location: String?) {
        var outcome = transfer_response()
        defer { transfer_free(&outcome) }
        let fields = (["Content-Type": "application/json", "Expect": ""].merging(headers) { $1 })
            .map { strdup($1.isEmpty ? "\($0):" : "\($0): \($1)") }
        defer { fields.forEach { free($0) } }
        let list = fields.map { UnsafePointer($0) } + [nil]
        // The pointers live for the call, which blocks.
        list.withUnsafeBufferPointer { list in
            url.absoluteString.withCString { address in
                (body ?? Data()).withUnsafeBytes { bytes in
                    var request = transfer_request()
                    request.url = address
                    request.headers = list.baseAddress
                    request.is_post = body == nil ? 0 : 1
                    request.body = bytes.bindMemory(to: UInt8.self).baseAddress
                    request.body_size = bytes.count
                    request.timeout_milliseconds = (timeout / .milliseconds(1)).wholeNumber(in: 1...Int(Int32.max))
                    request.maximum = maximumSize
                    request.context = Unmanaged.passUnretained(isCancelled).toOpaque()
                    request.is_cancelled = { context in
                        guard let context else { return 0 }
                        return Unmanaged<CancellationFlag>.fromOpaque(context).takeUnretainedValue().isSet ? 1 : 0
                    }
                    transfer_perform(&request, &outcome)
                }
            }
        }
        return try Self.response(of: outcome)
    }

    private static func response(of outcome: transfer_response) throws -> (HTTPResponse, location: String?) {
        switch outcome.outcome {
        case TRANSFER_OK: break
        case TRANSFER_UNAVAILABLE:
            throw HTTPFailure.failed("needs the system's libcurl (libcurl.so.4), which is not installed")
        case TRANSFER_TIMED_OUT: throw HTTPFailure.timedOut
        case TRANSFER_TOO_LARGE: throw HTTPFailure.tooLarge
        case TRANSFER_CANCELLED: throw CancellationError()
        default: throw HTTPFailure.unreachable(text(outcome.problem))
        }
        let data = outcome.data.map { Data(bytes: $0, count: outcome.size) } ?? Data()
        let location = text(outcome.location)
        return (HTTPResponse(status: outcome.status, data: data), location.isEmpty ? nil : location)
    }

    /// The text in an array of C characters.
    private static func text<Characters>(_ characters: Characters) -> String {
        withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
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
}

/// Set once, from any thread.
private final class CancellationFlag: Sendable {
    private let flag = Atomic(false)
    var isSet: Bool { flag.load(ordering: .relaxed) }
    func set() { flag.store(true, ordering: .relaxed) }
}

extension URL {
    /// The address without what may be a secret: user, password, query and fragment.
    public var withoutSecrets: String {
        guard var parts = URLComponents(url: self, resolvingAgainstBaseURL: false) else { return "an address" }
        (parts.user, parts.password, parts.query, parts.fragment) = (nil, nil, nil, nil)
        return parts.string ?? "an address"
    }

    fileprivate func isOnServer(of other: URL) -> Bool {
        scheme == other.scheme && host == other.host && port == other.port
    }
}
