import ApusFormats
import ApusNetwork
import Foundation
import Synchronization

/// The way of one large file to the storage, along the addresses that the hub gave for it.
final class LargeFileTransfer: Sendable {
    private let connection: HubConnection
    private let subject: HubSubject
    private let meter: ProgressMeter
    private let item: PushPlan.Item
    private let reader: PushReader
    private let action: LargeFileAction
    private let state = Mutex(State())

    private struct State {
        /// Bytes that the meter knows of.
        var counted = 0
        var isExpired = false
        /// What the storage calls the parts that it has, by their numbers from 0 on.
        var tags: [Int: String] = [:]
    }

    /// Times that the storage may send on.
    private static let redirectionLimit = 3

    init(
        connection: HubConnection, name: RepositoryName, meter: ProgressMeter, item: PushPlan.Item, reader: PushReader,
        action: LargeFileAction
    ) {
        self.connection = connection
        self.meter = meter
        self.item = item
        self.reader = reader
        self.action = action
        subject = HubSubject(name: name, path: item.file.path)
    }

    /// Whether the storage refused an address, so that new ones may do.
    var isExpired: Bool { state.withLock { $0.isExpired } }

    /// Takes back what the meter was told.
    func takeBack() {
        let counted = state.withLock { state in
            defer { state.counted = 0 }
            return state.counted
        }
        meter.add(bytes: -counted)
    }

    /// Sends the file and has the hub see that it is there.
    ///
    /// - Throws: ``HubError``.
    func run() async throws(HubError) {
        switch action.way {
        case .whole(let place):
            _ = try await sent(0..<item.file.size, to: place.url, withoutToken(place.headers))
        case .parts(let urls, let size, let completion):
            try await connection.sideBySide(Array(urls.enumerated())) { (part) async throws(HubError) in
                let start = part.offset * size
                let range = start..<min(start + size, self.item.file.size)
                let tag = try await self.sent(range, to: part.element, [:])["ETag"]
                guard let tag, !tag.isEmpty else {
                    throw HubError(
                        .badAnswer, "the storage does not confirm a part of '\(self.item.file.path)'; try again")
                }
                self.state.withLock { $0.tags[part.offset] = tag }
            }
            try await complete(completion, urls.count)
        }
        guard let place = action.verification else { return }
        let body: JSONValue = .object(
            [
                .init(key: "oid", value: .string(item.checksum)), .init(key: "size", value: .integer(item.file.size)),
            ])
        _ = try await tell(place, body)
    }

    private func complete(_ place: LargeFileAction.Place, _ count: Int) async throws(HubError) {
        let tags = state.withLock { $0.tags }
        let parts = (0..<count).map { number in
            JSONValue.object(
                [
                    .init(key: "partNumber", value: .integer(number + 1)),
                    .init(key: "etag", value: .string(tags[number] ?? "")),
                ])
        }
        let body: JSONValue = .object(
            [.init(key: "oid", value: .string(item.checksum)), .init(key: "parts", value: .array(parts))])
        do throws(HubError) {
            try await tell(place, body)
        } catch {
            // One that was done though no answer came is refused the second time: the hub then has the file.
            if ![.cancelled, .stalled].contains(error.code) { state.withLock { $0.isExpired = true } }
            throw error
        }
    }

    /// Tells the hub, or whom it names, something that may be told twice. The token goes to the hub alone.
    private func tell(_ place: LargeFileAction.Place, _ body: JSONValue) async throws(HubError) {
        let type = "application/vnd.git-lfs+json"
        let headers = withoutToken(place.headers).merging(["Accept": type]) { $1 }
        let data = Data(JSONWriter.ordered.write(body).utf8)
        let settings = connection.settings
        try await connection.retrying(about: subject) { () async throws(HubTrouble) in
            let fields = ["Content-Type": type].merging(headers) { $1 }
            // The hub puts the parts together before it answers.
            let answer = try await self.connection.followed(
                place.url, method: "POST", headers: fields, body: .data(data), within: settings.requestTimeout * 5,
                about: self.subject)
            guard place.url.isOnServer(of: settings.endpoint) else {
                if let trouble = PushSubject(subject: self.subject, settings: settings).storageTrouble(
                    answer.outcome, from: place.url)
                {
                    throw trouble
                }
                return
            }
            if let trouble = PushSubject(subject: self.subject, settings: settings).trouble(answer) { throw trouble }
        }
    }

    /// Header fields for the storage without any that has the token.
    private func withoutToken(_ headers: [String: String]) -> [String: String] {
        guard let token = connection.settings.token else { return headers }
        return headers.filter { !$1.contains(token) }
    }

    /// Sends a part of the file until it is there.
    private func sent(
        _ range: Range<Int>, to url: URL, _ headers: [String: String]
    ) async throws(HubError) -> HTTPHead {
        try await connection.retrying(about: subject) { () async throws(HubTrouble) in
            var url = url
            for _ in 0...Self.redirectionLimit {
                let outcome = try await self.put(range, to: url, headers)
                guard [307, 308].contains(outcome.head.status), let location = outcome.location else {
                    return outcome.head
                }
                url = try HubConnection.target(location, from: url)
            }
            throw HubTrouble(.badAnswer, "\(url.withoutSecrets) sends on from one address to the next without end")
        }
    }

    /// Sends a part of the file once.
    private func put(
        _ range: Range<Int>, to url: URL, _ headers: [String: String]
    ) async throws(HubTrouble) -> HTTPOutcome {
        let settings = connection.settings
        let given = Mutex(0)
        // Never with the token: an address of the storage says by itself who may write there.
        let fields = ["User-Agent": "apus", "Expect": "", "Content-Type": ""].merging(headers) { $1 }
        var exchange = HTTPExchange(
            url, method: "PUT", headers: fields, timeout: try connection.remaining(.seconds(24 * 3600)),
            maximumSize: 1 << 16)
        exchange.body = .file(descriptor: reader.descriptor, offset: range.lowerBound, count: range.count)
        if case .data(let data) = item.file.source {
            exchange.body = .data(data[data.startIndex + range.lowerBound..<data.startIndex + range.upperBound])
        }
        exchange.connectTimeout = settings.connectTimeout
        // The storage says nothing for a while after the last byte.
        exchange.stallTimeout = max(settings.stallTimeout, settings.requestTimeout)
        exchange.leastSpeed = settings.leastSpeed
        exchange.gave = { count in
            given.withLock { $0 += count }
            self.count(count)
        }
        let outcome = await exchange.send()
        let trouble = PushSubject(subject: subject, settings: settings).storageTrouble(outcome, from: url)
        let isSentOn = [307, 308].contains(outcome.head.status) && outcome.location != nil && outcome.failure == nil
        if trouble != nil || isSentOn { count(-given.withLock { $0 }) }
        if isSentOn { return outcome }
        if let trouble {
            if (400..<500).contains(outcome.head.status) {
                state.withLock { $0.isExpired = true }
                // The same address would be refused again.
                var final = trouble
                final.isPassing = [408, 429].contains(outcome.head.status)
                throw final
            }
            throw trouble
        }
        if case .data = item.file.source { count(range.count) }
        return outcome
    }

    private func count(_ bytes: Int) {
        state.withLock { $0.counted += bytes }
        meter.add(bytes: bytes)
    }
}
