import CTransfer
package import Foundation
import Synchronization

/// One request and its answer, nothing followed and nothing repeated: what ``HTTPRequest`` and the hub are made of.
///
/// Waiting takes no processor time. A request has the header fields that it is given and those that HTTP demands.
package struct HTTPExchange: Sendable {
    /// What is sent.
    package enum Body: Sendable {
        /// Bytes in memory.
        case data(Data)
        /// A part of an open file.
        case file(descriptor: Int32, offset: Int, count: Int)
    }

    /// Where to; `http` or `https`.
    package var url: URL
    /// Such as `PUT`; nil for GET without a body and POST with one.
    package var method: String?
    /// Header fields; an empty value takes away one that libcurl would send.
    package var headers: [String: String]
    /// What is sent, if anything.
    package var body: Body?
    /// Told of every piece of a file that is on its way, in bytes.
    package var gave: (@Sendable (Int) -> Void)?
    /// For everything, from the look-up of the name to the last byte.
    package var timeout: Duration
    /// For the look-up of the name and the connection; nil for libcurl's five minutes.
    package var connectTimeout: Duration?
    /// How long an answer may crawl, at fewer than ``leastSpeed`` bytes a second, before it counts as stalled; counted in
    /// whole seconds.
    package var stallTimeout: Duration?
    /// In bytes a second.
    package var leastSpeed = 1
    /// The longest answer in bytes that is kept in memory.
    package var maximumSize: Int

    /// Memberwise.
    package init(
        _ url: URL, method: String? = nil, headers: [String: String] = [:], body: Body? = nil, timeout: Duration,
        connectTimeout: Duration? = nil, stallTimeout: Duration? = nil, maximumSize: Int = 1 << 26
    ) {
        self.url = url
        self.method = method
        self.headers = headers
        self.body = body
        self.timeout = timeout
        self.connectTimeout = connectTimeout
        self.stallTimeout = stallTimeout
        self.maximumSize = maximumSize
    }

    /// Sends the request and waits for the answer, on a thread of its own: the call below blocks.
    ///
    /// - Parameter file: where the answer goes, if its head is as wanted; nil keeps every answer in memory.
    /// - Returns: Whatever came of it. An answer that broke off has what was there until then.
    package func send(to file: HTTPFileSink? = nil) async -> HTTPOutcome {
        let watch = ExchangeWatch(file: file, gave: gave)
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                Thread.detachNewThread {
                    continuation.resume(returning: perform(watch))
                }
            }
        } onCancel: {
            watch.cancel()
        }
    }

    private func perform(_ watch: ExchangeWatch) -> HTTPOutcome {
        let fields = headers.map { strdup($1.isEmpty ? "\($0):" : "\($0): \($1)") }
        defer { fields.forEach { free($0) } }
        let list = fields.map { UnsafePointer($0) } + [nil]
        var bytes = Data()
        if case .data(let data) = body { bytes = data }
        var outcome = transfer_response()
        defer { transfer_free(&outcome) }
        // The pointers live for the call, which blocks.
        list.withUnsafeBufferPointer { list in
            url.absoluteString.withCString { address in
                withOptionalCString(method) { method in
                    bytes.withUnsafeBytes { bytes in
                        var request = transfer_request()
                        request.url = address
                        request.method = method
                        request.headers = list.baseAddress
                        request.body = bytes.bindMemory(to: UInt8.self).baseAddress
                        request.body_size = bytes.count
                        prepare(&request, watch)
                        transfer_perform(&request, &outcome)
                    }
                }
            }
        }
        return HTTPOutcome(outcome)
    }

    private func withOptionalCString(_ text: String?, _ body: (UnsafePointer<CChar>?) -> Void) {
        if let text { text.withCString(body) } else { body(nil) }
    }

    private func prepare(_ request: inout transfer_request, _ watch: ExchangeWatch) {
        request.has_body = body == nil ? 0 : 1
        request.body_file = -1
        if case .file(let descriptor, let offset, let count) = body {
            (request.body_file, request.body_offset, request.body_size) = (descriptor, Int64(offset), count)
        }
        request.timeout_milliseconds = Self.milliseconds(timeout)
        request.connect_milliseconds = connectTimeout.map(Self.milliseconds) ?? 0
        if let stallTimeout {
            request.least_speed = leastSpeed
            request.least_speed_seconds = max(1, (Self.milliseconds(stallTimeout) + 999) / 1000)
        }
        request.maximum = maximumSize
        request.context = Unmanaged.passUnretained(watch).toOpaque()
        request.is_cancelled = { ExchangeWatch.at($0)?.isCancelled == true ? 1 : 0 }
        request.gave = { ExchangeWatch.at($0)?.gave?($1) }
        guard let file = watch.file else { return }
        (request.file, request.file_offset, request.file_maximum) =
            (file.descriptor, Int64(file.offset), Int64(file.count))
        request.wants_file = { context, status, head, size in
            guard let file = ExchangeWatch.at(context)?.file, let head else { return 0 }
            let text = String(decoding: UnsafeRawBufferPointer(start: head, count: size), as: UTF8.self)
            return file.accepts(HTTPHead(status: status, lines: text)) ? 1 : 0
        }
        request.wrote = { ExchangeWatch.at($0)?.file?.wrote($1) }
    }

    private static func milliseconds(_ duration: Duration) -> Int {
        (duration / .milliseconds(1)).wholeNumber(in: 1...Int(Int32.max))
    }
}

/// A place in an open file for an answer.
package struct HTTPFileSink: Sendable {
    /// The open file; it has to stay open until the exchange is over.
    package var descriptor: Int32
    /// Where the answer begins in it.
    package var offset: Int
    /// The most bytes of the answer that are written.
    package var count: Int
    /// Whether an answer with this head goes into the file; another one is kept in memory.
    package var accepts: @Sendable (HTTPHead) -> Bool
    /// Told of every piece that was written, in bytes.
    package var wrote: @Sendable (Int) -> Void

    /// Memberwise.
    package init(
        descriptor: Int32, offset: Int, count: Int, accepts: @escaping @Sendable (HTTPHead) -> Bool,
        wrote: @escaping @Sendable (Int) -> Void
    ) {
        self.descriptor = descriptor
        self.offset = offset
        self.count = count
        self.accepts = accepts
        self.wrote = wrote
    }
}

/// What the callbacks of a running exchange need, from any thread.
private final class ExchangeWatch: Sendable {
    let file: HTTPFileSink?
    let gave: (@Sendable (Int) -> Void)?
    private let flag = Atomic(false)

    init(file: HTTPFileSink?, gave: (@Sendable (Int) -> Void)?) {
        self.file = file
        self.gave = gave
    }

    var isCancelled: Bool { flag.load(ordering: .relaxed) }
    func cancel() { flag.store(true, ordering: .relaxed) }

    /// Unsafe because C hands back an address: it is that of the object, which lives as long as the call.
    static func at(_ context: UnsafeMutableRawPointer?) -> ExchangeWatch? {
        context.map { Unmanaged<ExchangeWatch>.fromOpaque($0).takeUnretainedValue() }
    }
}
