import ApusFormats
import Foundation

/// How the hub wants a large file to be sent to its storage.
struct LargeFileAction: Sendable {
    /// Where to, and with which header fields.
    struct Place: Sendable {
        let url: URL
        let headers: [String: String]
    }

    /// What is sent where.
    enum Way: Sendable {
        /// The whole file.
        case whole(Place)
        /// Pieces of so many bytes, the last one shorter, each to its address; then the hub is told that all are there.
        case parts([URL], size: Int, completion: Place)
    }

    let way: Way
    /// Who is asked afterwards whether the file is there.
    let verification: Place?

    private static let partLimit = 10_000

    /// Reads what the hub says of one object; nil when it has the file.
    ///
    /// - Throws: ``HubTrouble`` with code `badAnswer`.
    init?(_ object: JSONValue, size: Int, endpoint: URL) throws(HubTrouble) {
        guard let actions = object["actions"], actions.members != nil, let upload = actions["upload"] else {
            return nil
        }
        let place = try Self.place(upload, endpoint)
        if let verify = actions["verify"], verify.members != nil {
            verification = try Self.place(verify, endpoint)
        } else {
            verification = nil
        }
        let fields = upload["header"]?.members ?? []
        guard let chunk = fields.first(where: { $0.key == "chunk_size" })?.value else {
            way = .whole(place)
            return
        }
        let numbered = fields.compactMap { field in
            Int(field.key).flatMap { number in field.value.string.map { (number, $0) } }
        }.sorted { $0.0 < $1.0 }
        guard let partSize = chunk.integer ?? chunk.string.flatMap({ Int($0) }), partSize > 0,
            numbered.count <= Self.partLimit, numbered.map(\.0) == Array(1..<numbered.count + 1),
            (size + partSize - 1) / partSize == numbered.count
        else { throw HubTrouble(.badAnswer, "the hub gives parts of a large file that do not fit its size; try again") }
        var urls: [URL] = []
        for (_, text) in numbered { urls.append(try Self.address(text, endpoint)) }
        way = .parts(urls, size: partSize, completion: Place(url: place.url, headers: [:]))
    }

    private static func place(_ action: JSONValue, _ endpoint: URL) throws(HubTrouble) -> Place {
        guard let text = action["href"]?.string else {
            throw HubTrouble(.badAnswer, "the hub gives no address for a large file; check HF_ENDPOINT")
        }
        var headers: [String: String] = [:]
        for field in action["header"]?.members ?? [] {
            guard let value = field.value.string, isField(field.key, value) else { continue }
            headers[field.key] = value
        }
        return Place(url: try address(text, endpoint), headers: headers)
    }

    /// Whether a header field can be sent on: a name and one line, and none that says where the request ends.
    private static func isField(_ name: String, _ value: String) -> Bool {
        let isName = !name.isEmpty && name.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: ":") }
        let isLine = value.utf8.count <= 4096 && value.utf8.allSatisfy { (0x20...0x7E).contains($0) }
        let own = ["host", "content-length", "transfer-encoding", "connection", "expect"]
        return isName && isLine && !own.contains(name.lowercased()) && name != "chunk_size" && Int(name) == nil
    }

    /// An address; one of the hub itself is that of the mirror which is asked in its place.
    private static func address(_ text: String, _ endpoint: URL) throws(HubTrouble) -> URL {
        let hub = "https://huggingface.co/"
        guard text.hasPrefix(hub), endpoint.host != "huggingface.co" else {
            return try HubConnection.target(text, from: endpoint)
        }
        return try HubConnection.target("\(endpoint.absoluteString)/\(text.dropFirst(hub.count))", from: endpoint)
    }
}
