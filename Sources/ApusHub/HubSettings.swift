public import Foundation

/// Where the hub and the cache are, who asks, and how long to wait.
///
/// Read from the environment with the names and meanings that the hub's own Python library gives them.
public struct HubSettings: Sendable {
    /// The hub or a mirror of it; without a slash at the end.
    public var endpoint: URL
    /// The folder of all repositories, such as `~/.cache/huggingface/hub`.
    public var cache: URL
    /// Sent to the endpoint, and to nobody else.
    public var token: String?
    /// Whether only the cache is used.
    public var isOffline: Bool
    /// For the connection to a server.
    public var connectTimeout: Duration = .seconds(10)
    /// How long a server may send nothing before the connection is given up; whole seconds.
    public var stallTimeout: Duration
    /// The slowest speed, in bytes a second over ``stallTimeout``, that does not count as stalled.
    public var leastSpeed = 1024
    /// For one question to the hub, its answer included.
    public var requestTimeout: Duration
    /// For everything that one call does, waiting for other processes included.
    public var totalTimeout: Duration = .seconds(24 * 3600)
    /// How often something is tried that brings nothing.
    public var attempts = 5
    /// The first wait after a failure; it doubles with every further one.
    public var firstDelay: Duration = .milliseconds(500)
    /// The longest wait after a failure, also where a server asks for a longer one.
    public var longestDelay: Duration = .seconds(60)
    /// Connections that are open at once.
    public var connections = 4
    /// Files above this many bytes are fetched in pieces at once.
    public var pieceSize = 32 << 20
    /// Bytes that stay free on the disk.
    public var reservedSpace = 64 << 20

    /// The settings of an environment.
    ///
    /// - Throws: ``HubError`` with code `badName` for an endpoint that is no address.
    public init(environment: [String: String]) throws(HubError) {
        let value = { (name: String) in environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        let flag = { (name: String) in ["1", "ON", "YES", "TRUE"].contains((environment[name] ?? "").uppercased()) }
        let path = { (text: String) in Self.expanded(text, environment) }
        let home = path(value("HF_HOME") ?? "\(value("XDG_CACHE_HOME") ?? "~/.cache")/huggingface")
        let folder = value("HF_HUB_CACHE") ?? value("HUGGINGFACE_HUB_CACHE")
        cache = URL(filePath: folder.map(path) ?? "\(home)/hub", directoryHint: .isDirectory)
        isOffline = value("HF_HUB_OFFLINE") == nil ? flag("TRANSFORMERS_OFFLINE") : flag("HF_HUB_OFFLINE")
        let seconds = { (name: String) in value(name).flatMap { Int($0) }.flatMap { $0 > 0 ? min($0, 86_400) : nil } }
        stallTimeout = .seconds(seconds("HF_HUB_DOWNLOAD_TIMEOUT") ?? 10)
        requestTimeout = .seconds(max(60, seconds("HF_HUB_ETAG_TIMEOUT") ?? 10))
        endpoint = try Self.endpoint(value("HF_ENDPOINT") ?? "https://huggingface.co")
        if flag("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
            token = nil
        } else if let given = value("HF_TOKEN") ?? value("HUGGING_FACE_HUB_TOKEN") {
            token = Self.cleaned(given)
        } else {
            let file = path(value("HF_TOKEN_PATH") ?? "\(home)/token")
            token = (try? String(contentsOfFile: file, encoding: .utf8)).flatMap(Self.cleaned)
        }
    }

    private static func endpoint(_ text: String) throws(HubError) -> URL {
        let trimmed = String(text.reversed().drop { $0 == "/" }.reversed())
        guard let url = URL(string: trimmed), ["http", "https"].contains(url.scheme?.lowercased()),
            let host = url.host, !host.isEmpty, url.query == nil, url.fragment == nil
        else {
            throw HubError(
                .badName, "HF_ENDPOINT is no address such as https://huggingface.co or https://hf-mirror.com")
        }
        return url
    }

    /// A token without the line breaks of its file; one that no header field can hold is none.
    private static func cleaned(_ text: String) -> String? {
        let token = text.trimmingCharacters(in: .whitespacesAndNewlines)
        let isOneWord = token.utf8.allSatisfy { (0x21...0x7E).contains($0) }
        return token.isEmpty || !isOneWord ? nil : token
    }

    /// A path with `~` and `$NAME` replaced, as Python's `expanduser` and `expandvars` do.
    static func expanded(_ path: String, _ environment: [String: String]) -> String {
        var path = path[...]
        var result = ""
        if path == "~" || path.hasPrefix("~/") {
            result = environment["HOME"] ?? NSHomeDirectory()
            path = path.dropFirst()
        }
        while let dollar = path.firstIndex(of: "$") {
            result += path[..<dollar]
            let rest = path[path.index(after: dollar)...]
            let isBraced = rest.hasPrefix("{")
            let inner = isBraced ? rest.dropFirst() : rest
            let name =
                isBraced
                ? inner.prefix { $0 != "}" } : inner.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
            if let value = environment[String(name)], !isBraced || name.endIndex < path.endIndex {
                result += value
                path = path[name.endIndex...].dropFirst(isBraced ? 1 : 0)
            } else {
                result += "$"
                path = rest
            }
        }
        return result + path
    }
}
