import ApusFormats
import ApusTestSupport
import Foundation
import Synchronization
import Testing

@testable import ApusHub

@Suite("What can go wrong with a push", .serialized)
struct PushErrorTests {
    private func server(_ more: [String: JSONValue] = [:]) async throws -> HubServer {
        let server = try HubServer()
        try await server.set(.object(["repositories": [:]].merging(more) { $1 }))
        return server
    }

    private func folder(large: Int = 300_000) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let random = (0..<large).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) }
        _ = try folder.write(Data(random), as: "model.safetensors")
        _ = try folder.write(Data("{}".utf8), as: "config.json")
        return folder
    }

    @discardableResult
    private func push(
        _ folder: TemporaryFolder, _ server: HubServer, _ name: String = "org/new",
        _ environment: [String: String] = [:]
    ) async throws -> HubPush {
        try await server.hub(["HF_TOKEN": "hf_good"].merging(environment) { $1 }).push(
            try PushFolder(folder.url), to: RepositoryName(name))
    }

    private func error(
        _ server: HubServer, _ name: String = "org/new", _ environment: [String: String] = [:]
    ) async throws -> HubError {
        let folder = try folder()
        let error = try await HubError.of { try await push(folder, server, name, environment) }
        #expect(!error.description.contains("\n") && !error.description.contains("hf_good"), "\(error)")
        return error
    }

    /// The hub has what the folder has.
    private func check(_ folder: TemporaryFolder, _ server: HubServer) async throws {
        let snapshot = try await server.hub().snapshot(of: RepositoryName("org/new"))
        for path in ["model.safetensors", "config.json"] {
            let found = try Data(contentsOf: snapshot.folder.appending(path: path))
            #expect(try found == Data(contentsOf: folder.url.appending(path: path)))
        }
    }

    @Test("Without a token, with a wrong one, and with one that may only read")
    func tokens() async throws {
        let server = try await server(["repositories": ["models/org/there": ["files": [:]]]])
        let none = try await error(server, "org/new", ["HF_TOKEN": "", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"])
        #expect(none.code == .unauthorized && none.description.contains("HF_TOKEN, or run hf auth login"))
        #expect(try await server.log().isEmpty)
        for name in ["org/new", "org/there"] {
            let reader = try await error(server, name, ["HF_TOKEN": "hf_read"])
            #expect(reader.code == .unauthorized)
            #expect(
                reader.description.contains("may not write to model '\(name)' (Forbidden: you must use a write token"))
            #expect(reader.description.contains("/settings/tokens"))
            let wrong = try await error(server, name, ["HF_TOKEN": "hf_wr0ng"])
            #expect(wrong.code == .unauthorized && !wrong.description.contains("hf_wr0ng"), "\(wrong)")
        }
        let closed = try await error(server, "closed/new")
        #expect(closed.code == .unauthorized && closed.description.contains("namespace"))
        #expect(try await !server.log().contains { $0.method == "PUT" || $0.path.hasSuffix("/commit/main") })
    }

    @Test("A server that repeats the token does not get it into an error")
    func echo() async throws {
        let server = try await server()
        try await server.disturb([
            ["path": "repos/create", "status": 400, "headers": ["X-Error-Message": "bad token hf_good"], "times": -1]
        ])
        #expect(try await error(server).description.contains("bad token …"))
    }

    @Test("Offline, and names that cannot be pushed to")
    func names() async throws {
        let server = try await server(["repositories": ["models/old/name": ["moved": "org/there"]]])
        #expect(try await error(server, "org/new", ["HF_HUB_OFFLINE": "1"]).code == .offline)
        #expect(try await error(server, "gpt2").description.contains("write org/name"))
        #expect(try await error(server, "org/new:Q4").code == .badName)
        #expect(try await error(server, "org/new@\(String(repeating: "a", count: 40))").code == .badName)
        #expect(try await server.log().isEmpty)
    }

    @Test("Connections that are cut or stall, and servers that fail, are tried again", arguments: [false, true])
    func passing(isMultipart: Bool) async throws {
        for fault: [String: JSONValue] in [
            ["path": "storage/upload", "cut_at": 0], ["path": "storage/upload", "cut_at": 70_000, "times": 2],
            ["path": "storage/upload", "stall_at": 90_000], ["path": "storage/upload", "status": 500, "times": 2],
            ["path": "storage/upload", "status": 429, "headers": ["Retry-After": "0"]],
            ["path": "storage/upload", "status": 403], ["path": "storage/upload", "status": 400],
            ["path": "hub/verify", "status": 502], ["path": "objects/batch", "status": 503],
            ["path": "hub/api/models/org/new/preupload", "status": 429, "headers": ["Retry-After": "0"]],
            ["path": "hub/api/repos/create", "lose": true], ["path": "hub/complete", "lose": true],
            ["path": "hub/complete", "status": 500], ["path": "hub/verify", "lose": true],
        ] {
            let server = try await server(isMultipart ? ["multipart": 100_000] : [:])
            let folder = try folder()
            try await server.disturb([.object(fault)])
            let last = Mutex(HubProgress())
            let hub = Hub(settings: try server.settings(["HF_TOKEN": "hf_good"], isImpatient: fault["stall_at"] != nil))
            let push = try await hub.push(try PushFolder(folder.url), to: RepositoryName("org/new")) { seen in
                last.withLock { $0 = seen }
            }
            #expect(push.isChanged)
            #expect(last.withLock { $0.bytes } == 300_002, "\(fault)")
            let log = try await server.log()
            #expect(log.allSatisfy { $0.hasToken == ($0.host == "hub") }, "\(log)")
            try await check(folder, server)
        }
    }

    @Test("What does not pass ends within the bounds, and nothing is committed")
    func lasting() async throws {
        for (fault, code) in [
            (["path": "storage/upload", "cut_at": 70_000, "times": -1], HubError.Code.unavailable),
            (["path": "storage/upload", "stall_at": 70_000, "times": -1], .stalled),
            (["path": "storage/upload", "status": 503, "times": -1], .unavailable),
            (["path": "storage/upload", "status": 403, "times": -1], .badAnswer),
            (["path": "storage/upload", "location": "ftp://x/", "times": -1], .badAnswer),
            (["path": "hub/api/models/org/new/commit", "status": 500, "times": -1], .unavailable),
            (["path": "hub/api/models/org/new/commit", "status": 412, "times": -1], .conflict),
            (["path": "hub/api/models/org/new/commit", "status": 400, "times": -1], .badAnswer),
            (["path": "hub/api/models/org/new/commit", "delay": 600, "times": -1], .stalled),
            (
                ["path": "hub/api/models/org/new/preupload", "location": "http://localhost:1/x", "times": -1],
                .badAnswer
            ),
            (["path": "hub/api/repos/create", "status": 404, "times": -1], .missingRepository),
            (
                ["path": "/preupload/", "status": 403, "headers": ["X-Error-Code": "GatedRepo"], "times": -1], .gated
            ),
        ] as [([String: JSONValue], HubError.Code)] {
            let server = try await server()
            try await server.disturb([.object(fault)])
            let folder = try folder()
            let isSilent = fault["stall_at"] != nil || fault["delay"] != nil
            var settings = try server.settings(["HF_TOKEN": "hf_good"], isImpatient: isSilent)
            settings.attempts = 2
            let hub = Hub(settings: settings)
            let error = try await HubError.of {
                _ = try await hub.push(try PushFolder(folder.url), to: RepositoryName("org/new"))
            }
            #expect(error.code == code, "\(fault): \(error)")
            try await server.disturb([])
            let listing = try? await server.hub().listing(of: RepositoryName("org/new"))
            #expect(listing?.file("config.json") == nil)
        }
        let server = try await server()
        let folder = try folder()
        let sum = try await PushReader(try #require(PushFolder(folder.url).file("model.safetensors"))).checksum(
            isLarge: true)
        try await server.set(["refused": [.string(sum)]])
        #expect(try await error(server).description.contains("does not take 'model.safetensors': too large for this"))
    }

    @Test("Addresses that end are asked for anew")
    func expiry() async throws {
        let server = try await server(["expired": 0, "multipart": 100_000])
        #expect(try await error(server).code == .badAnswer)
        #expect(try await server.log().count { $0.path.hasSuffix("/objects/batch") } == 3)
    }

    @Test("Somebody else's commit in between stays, and a commit whose answer was lost is not made twice")
    func conflicts() async throws {
        let server = try await server()
        let folder = try folder()
        try await push(folder, server)
        _ = try folder.write(Data("{\"a\": 1}".utf8), as: "config.json")
        try await server.disturb([["path": "/commit/main", "rival": ["other.txt": ["text": "theirs"]]]])
        let push = try await push(folder, server)
        #expect(push.sent == ["config.json"])
        let files = try await server.hub().listing(of: RepositoryName("org/new")).files.map(\.path)
        #expect(files.contains("other.txt"))
        try await check(folder, server)
        _ = try folder.write(Data("{\"a\": 2}".utf8), as: "config.json")
        _ = try await server.log()
        try await server.disturb([["path": "/commit/main", "lose": true]])
        let lost = try await self.push(folder, server)
        #expect(lost.isChanged && lost.sent == ["config.json"])
        #expect(try await server.log().count { $0.path.hasSuffix("/commit/main") } == 1)
        #expect(try await server.hub().listing(of: RepositoryName("org/new")).commit == lost.commit)
    }

    @Test("A cancelled push ends within a second")
    func cancellation() async throws {
        let server = try await server()
        try await server.disturb([["path": "storage/upload", "stall_at": 1000, "times": -1]])
        let folder = try folder()
        let hub = Mutex(try server.hub(["HF_TOKEN": "hf_good"]))
        hub.withLock { $0.settings.requestTimeout = .seconds(60) }
        let patient = hub.withLock { $0 }
        let files = try PushFolder(folder.url)
        let task = Task { try await patient.push(files, to: RepositoryName("org/new")) }
        try await Task.sleep(for: .milliseconds(800))
        let start = ContinuousClock.now
        task.cancel()
        let error = try await HubError.of { _ = try await task.value }
        #expect(error.code == .cancelled && error.description.contains("upload"))
        #expect(start.duration(to: .now) < .seconds(3))
    }
}
