import ApusFormats
import ApusHub
import ApusNetwork
import ApusTestSupport
import Foundation
import Testing

/// `Tests/Fixtures/hub/hub_server.py`, with a cache of its own.
final class HubServer {
    let cache: TemporaryFolder
    var endpoint: URL { process.endpoint }
    private let process: HubProcess

    init() throws {
        cache = try TemporaryFolder()
        process = try HubProcess()
    }

    /// Sets what the server has and what goes wrong.
    func set(_ state: JSONValue) async throws {
        let url = endpoint.appending(path: "_control")
        let body = Data(JSONWriter().write(state).utf8)
        let outcome = await HTTPExchange(url, body: .data(body), timeout: .seconds(10)).send()
        try #require(outcome.head.status == 200)
    }

    /// Sets the rules for what goes wrong.
    func disturb(_ faults: [JSONValue]) async throws { try await set(["faults": .array(faults)]) }

    struct Entry {
        var host: String
        var method: String
        var path: String
        var range: String?
        /// Bytes of the body.
        var length: Int
        var hasToken: Bool
        var status: Int
    }

    /// What was asked since the last call.
    func log() async throws -> [Entry] {
        let outcome = await HTTPExchange(endpoint.appending(path: "_log"), timeout: .seconds(10)).send()
        _ = await HTTPExchange(endpoint.appending(path: "_log"), method: "DELETE", timeout: .seconds(10)).send()
        return try #require(JSONValue(json: outcome.data).array).map { entry in
            Entry(
                host: entry["host"]?.string ?? "", method: entry["method"]?.string ?? "",
                path: entry["path"]?.string ?? "", range: entry["range"]?.string,
                length: entry["length"]?.integer ?? 0, hasToken: entry["authorization"]?.bool == true,
                status: entry["status"]?.integer ?? 0)
        }
    }

    /// Settings for this server: patient, since other tests keep the processors busy for minutes.
    ///
    /// - Parameter isImpatient: for servers that do not answer.
    func settings(_ environment: [String: String] = [:], isImpatient: Bool = false) throws -> HubSettings {
        var settings = try HubSettings(
            environment: [
                "HF_ENDPOINT": endpoint.absoluteString, "HF_HOME": cache.url.path(percentEncoded: false),
            ].merging(environment) { $1 })
        settings.connectTimeout = .seconds(60)
        settings.stallTimeout = .seconds(isImpatient ? 1 : 30)
        settings.requestTimeout = .seconds(isImpatient ? 2 : 120)
        settings.totalTimeout = .seconds(3600)
        settings.firstDelay = .milliseconds(10)
        settings.longestDelay = .seconds(3)
        settings.attempts = 3
        settings.pieceSize = 100_000
        settings.reservedSpace = 0
        return settings
    }

    func hub(_ environment: [String: String] = [:]) throws -> Hub { Hub(settings: try settings(environment)) }

    /// The folder of a repository in the cache.
    func folder(_ name: String) -> URL { cache.url.appending(path: "hub/\(name)") }

    /// A model with a large file of so many bytes, a small one, and one in a folder.
    static func model(large: Int, _ more: [String: JSONValue] = [:]) -> JSONValue {
        let files: JSONValue = [
            "config.json": ["text": "{\"model_type\": \"llama\"}"], "README.md": ["text": "Hello\n"],
            "model.safetensors": ["size": .integer(large), "seed": 1], "extra/notes.txt": ["text": "x"],
        ]
        return .object(["files": files].merging(more) { $1 })
    }
}

extension HubError {
    /// The error that an operation ends with.
    static func of(_ body: () async throws -> Void) async throws -> HubError {
        try await #require(throws: HubError.self) { try await body() }
    }
}
