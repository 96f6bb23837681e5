import ApusNetwork
import Foundation
import Synchronization

/// Where the bytes of one file come from: the hub, or the storage that it sends on to.
final class FileSource: Sendable {
    let file: HubFile
    let subject: HubSubject
    private let connection: HubConnection
    private let listing: HubListing
    private let state = Mutex(State())

    private struct State {
        /// The storage's address, which is good for a while only.
        var storage: URL?
        var ignoresRanges = false
    }

    init(_ file: HubFile, _ listing: HubListing, _ connection: HubConnection) {
        self.file = file
        self.listing = listing
        self.connection = connection
        subject = HubSubject(name: listing.name, path: file.path)
    }

    /// Whether the server sends whole files whatever it is asked for.
    var ignoresRanges: Bool { state.withLock { $0.ignoresRanges } }

    private func address() throws(HubTrouble) -> URL {
        let name = listing.name
        let prefix = name.kind == .dataset ? "/datasets/" : "/"
        let path = HubConnection.encoded(file.path, keepingSlashes: true)
        do throws(HubError) {
            return try connection.address("\(prefix)\(name.id)/resolve/\(listing.commit)/\(path)")
        } catch { throw HubTrouble(error) }
    }

    /// Asks the hub for the address, unless it is known.
    func locate() async throws(HubTrouble) { _ = try await location() }

    /// The address to fetch from. Of a large file the hub is asked once: every piece then goes to the storage itself.
    private func location() async throws(HubTrouble) -> URL {
        if let known = state.withLock({ $0.storage }) { return known }
        let url = try address()
        guard file.sha256 != nil else { return url }
        let answer = try await connection.followed(url, method: "HEAD", about: subject)
        let head = answer.outcome.head
        if let trouble = subject.trouble(head, host: answer.url, settings: connection.settings) { throw trouble }
        let tag = (head["X-Linked-ETag"] ?? head["ETag"]).map(Self.normalized)
        let size = (head["X-Linked-Size"] ?? (answer.elsewhere == nil ? head["Content-Length"] : nil)).flatMap {
            Int($0)
        }
        guard tag.map({ $0 == file.etag }) ?? true, size.map({ $0 == file.size }) ?? true,
            head["X-Repo-Commit"].map({ $0 == listing.commit }) ?? true
        else {
            throw HubTrouble(
                .wrongContent,
                "the hub has another '\(file.path)' of \(listing.name.described) than its listing says; try again")
        }
        let location = answer.elsewhere ?? answer.url
        state.withLock { $0.storage = location }
        return location
    }

    /// An entity tag without its quotation marks and the mark of a weak one.
    private static func normalized(_ tag: String) -> String {
        (tag.hasPrefix("W/") ? String(tag.dropFirst(2)) : tag).trimmingCharacters(in: CharacterSet(charactersIn: "\""))
    }

    /// Fetches what a piece lacks.
    ///
    /// - Throws: ``HubTrouble``; what came until then is in the file and noted.
    func read(_ piece: PartialBlob.Piece, into partial: PartialBlob, _ meter: ProgressMeter) async throws(HubTrouble) {
        guard partial.count(of: piece) < piece.range.count else { return }
        let start = piece.range.lowerBound + partial.count(of: piece)
        let isWhole = start == 0 && piece.range.count == partial.size
        let size = partial.size
        let sink = HTTPFileSink(
            descriptor: partial.descriptor, offset: start, count: piece.range.upperBound - start,
            accepts: { Self.accepts($0, isWhole: isWhole, start: start, size: size) },
            wrote: { count in
                partial.add(count, to: piece)
                meter.add(bytes: count)
            })
        let range = isWhole ? [:] : ["Range": "bytes=\(start)-\(piece.range.upperBound - 1)"]
        let (url, outcome) = try await exchange(range, sink)
        try check(outcome, from: url, isWhole: isWhole)
        guard partial.count(of: piece) == piece.range.count else {
            throw HubTrouble(.unavailable, "\(url.host ?? "the server") broke off '\(file.path)'", isPassing: true)
        }
    }

    /// Whether an answer is the part of the file that was asked for.
    private static func accepts(_ head: HTTPHead, isWhole: Bool, start: Int, size: Int) -> Bool {
        if isWhole { return head.status == 200 }
        guard head.status == 206, let range = head["Content-Range"] else { return false }
        let parts = range.replacing("bytes", with: "").split { " -/=".contains($0) }
        return parts.first.flatMap { Int($0) } == start && (parts.last == "*" || parts.last.flatMap { Int($0) } == size)
    }

    /// Asks for bytes, along the redirections.
    private func exchange(
        _ range: [String: String], _ sink: HTTPFileSink
    ) async throws(HubTrouble) -> (URL, HTTPOutcome) {
        var url = try await location()
        for _ in 0..<8 {
            let settings = connection.settings
            var exchange = HTTPExchange(
                url, headers: connection.headers(for: url, range),
                timeout: try connection.remaining(.seconds(24 * 3600)),
                maximumSize: 1 << 16)
            exchange.connectTimeout = settings.connectTimeout
            exchange.stallTimeout = settings.stallTimeout
            exchange.leastSpeed = settings.leastSpeed
            let outcome = await exchange.send(to: sink)
            guard (300..<400).contains(outcome.head.status), let location = outcome.location else {
                return (url, outcome)
            }
            url = try HubConnection.target(location, from: url)
        }
        throw HubTrouble(.badAnswer, "\(url.withoutSecrets) sends on from one address to the next without end")
    }

    private func check(_ outcome: HTTPOutcome, from url: URL, isWhole: Bool) throws(HubTrouble) {
        let head = outcome.head
        if !isWhole, head.status == 200, outcome.written == 0, outcome.failure == nil || outcome.failure == .tooLarge {
            state.withLock { $0.ignoresRanges = true }
            throw HubTrouble(
                .badAnswer, "\(url.host ?? "the server") does not send parts of files; try another HF_ENDPOINT")
        }
        if let trouble = subject.trouble(head, host: url, settings: connection.settings), head.status != 0 {
            // An address of the storage ends after a while: the hub gives a new one, which another piece may have already.
            state.withLock { if $0.storage == url { $0.storage = nil } }
            let isStorage = !url.isOnServer(of: connection.settings.endpoint)
            var passing = trouble
            if isStorage, [401, 403, 404, 410].contains(head.status) { passing.isPassing = true }
            throw passing
        }
        if let failure = outcome.failure { throw subject.trouble(failure, host: url) }
        guard outcome.written > 0 || head.status == 206 || isWhole else {
            throw HubTrouble(
                .badAnswer, "\(url.host ?? "the server") sent another part of '\(file.path)' than asked for")
        }
    }
}
