import ApusFormats
import ApusHub
import Foundation
import Synchronization
import Testing

@Suite("Downloads from the hub", .serialized)
struct DownloadTests {
    private let name = "models--org--tiny"

    private func server(large: Int = 450_000, _ more: [String: JSONValue] = [:]) async throws -> HubServer {
        let server = try HubServer()
        try await server.set(["repositories": ["models/org/tiny": HubServer.model(large: large, more)], "page": 2])
        return server
    }

    /// The bytes that Python's generator gives for the large file.
    private func checksum(_ url: URL) throws -> String {
        var hash = SHA256()
        hash.update(try Data(contentsOf: url))
        return hash.hexadecimal
    }

    @discardableResult
    private func pull(_ server: HubServer, _ environment: [String: String] = [:]) async throws -> HubSnapshot {
        let snapshot = try await server.hub(environment).snapshot(of: RepositoryName("org/tiny"))
        for file in snapshot.files {
            let data = try Data(contentsOf: snapshot.url(of: file))
            #expect(data.count == file.size)
        }
        let large = snapshot.folder.appending(path: "model.safetensors")
        let target = try FileManager.default.destinationOfSymbolicLink(atPath: large.path)
        #expect(try checksum(large) == target.split(separator: "/").last.map(String.init))
        return snapshot
    }

    @Test("Everything is where huggingface_hub puts it")
    func layout() async throws {
        let server = try await server()
        let snapshot = try await pull(server)
        let folder = server.folder(name)
        let paths = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
        #expect(!paths.contains { $0.hasSuffix(".incomplete") }, "\(paths)")
        let link = { (path: String) in
            try FileManager.default.destinationOfSymbolicLink(atPath: snapshot.folder.appending(path: path).path)
        }
        #expect(try link("extra/notes.txt") == "../../../blobs/c1b0730e0133447badcfd47fd144e254807b06e1")
        #expect(try link("README.md") == "../../blobs/e965047ad7c57865823c7d992b1d046ea66edf78")
        #expect(try String(contentsOf: folder.appending(path: "refs/main"), encoding: .utf8) == snapshot.commit)
        #expect(snapshot.folder.lastPathComponent == snapshot.commit)
        #expect(paths.contains("trees/\(snapshot.commit).json"))
        let locks = try FileManager.default.contentsOfDirectory(atPath: server.folder(".locks/\(name)").path)
        #expect(locks.count == 4 && locks.allSatisfy { $0.hasSuffix(".lock") })
        let top = try FileManager.default.contentsOfDirectory(atPath: server.folder("").path).sorted()
        #expect(top == [".locks", "CACHEDIR.TAG", name])
    }

    @Test("What is here is not fetched again, and one question tells whether there is something newer")
    func again() async throws {
        let server = try await server()
        try await pull(server)
        let first = try await server.log()
        #expect(first.filter { $0.host == "storage" }.map(\.status) == [206, 206, 206, 206, 206])
        #expect(first.count { $0.method == "HEAD" } == 1)
        try await pull(server)
        let second = try await server.log()
        #expect(second.map(\.path) == ["/api/models/org/tiny/revision/main"])
        let commit = try await pull(server).commit
        _ = try await server.log()
        _ = try await server.hub().snapshot(of: RepositoryName("org/tiny@\(commit)"))
        #expect(try await server.log().isEmpty)
    }

    @Test("Only the files asked for are fetched")
    func selections() async throws {
        let server = try await server()
        let hub = try server.hub()
        let snapshot = try await hub.snapshot(of: RepositoryName("org/tiny"), files: .named(["README.md"]))
        #expect(try FileManager.default.contentsOfDirectory(atPath: snapshot.folder.path) == ["README.md"])
        let matching = try await hub.snapshot(
            of: RepositoryName("org/tiny"), files: .matching { $0.path.hasPrefix("extra/") })
        #expect(matching.files.map(\.path) == ["extra/notes.txt"])
        let missing = try await HubError.of {
            _ = try await hub.snapshot(of: RepositoryName("org/tiny"), files: .named(["no.json"]))
        }
        #expect(missing == HubError(.missingFile, "model 'org/tiny' has no file 'no.json' at 'main'"))
    }

    @Test("A connection that is cut at any tenth of a file goes on from there", arguments: [100_000, 1_000_000])
    func cuts(pieceSize: Int) async throws {
        let size = 450_000
        for tenth in 0..<10 {
            let server = try await server(large: size)
            try await server.disturb([["path": "storage", "cut_at": .integer(size / 10 * tenth)]])
            var settings = try server.settings()
            settings.pieceSize = pieceSize
            let snapshot = try await Hub(settings: settings).snapshot(of: RepositoryName("org/tiny"))
            let large = snapshot.folder.appending(path: "model.safetensors")
            let target = try FileManager.default.destinationOfSymbolicLink(atPath: large.path)
            #expect(try checksum(large) == target.split(separator: "/").last.map(String.init))
            let ranges = try await server.log().filter { $0.host == "storage" }.compactMap(\.range)
            // Nothing but what was missing was asked for again.
            if pieceSize > size, tenth > 0 { #expect(ranges == ["bytes=\(size / 10 * tenth)-\(size - 1)"]) }
        }
    }

    @Test("A download that failed goes on in the next run")
    func resumption() async throws {
        let server = try await server()
        for cut in [30_000, 60_000, 90_000] {
            try await server.disturb([["path": "storage", "cut_at": .integer(cut), "times": -1]])
            let error = try await HubError.of { try await pull(server) }
            #expect(error.code == .unavailable)
        }
        let left = try FileManager.default.contentsOfDirectory(atPath: server.folder("\(name)/blobs").path)
        #expect(left.count { $0.hasSuffix(".apus.incomplete") } == 2)
        #expect(!FileManager.default.fileExists(atPath: server.folder("\(name)/refs/main").path))
        _ = try await server.log()
        try await server.disturb([])
        let seen = Mutex(HubProgress())
        _ = try await server.hub().snapshot(of: RepositoryName("org/tiny")) { progress in
            seen.withLock { $0 = progress }
        }
        let progress = seen.withLock { $0 }
        #expect(progress.bytes == progress.totalBytes && progress.files == 4 && progress.activity == .done)
        #expect(progress.bytesBefore >= 90_000)
        try await pull(server)
        let asked = try await server.log().filter { $0.host == "storage" }.compactMap(\.range)
        #expect(asked.contains("bytes=90000-99999"), "\(asked)")
    }

    @Test("Wrong bytes are no file; a damaged rest of an earlier run gets a second try")
    func checksums() async throws {
        let server = try await server()
        for path in ["hub/api/resolve-cache/.*README", "storage"] {
            try await server.disturb([["path": .string(path), "wrong_at": 3, "times": -1]])
            let error = try await HubError.of { try await pull(server) }
            #expect(error.code == .wrongContent, "\(error)")
        }
        try await server.disturb([["path": "storage", "cut_at": 50_000, "times": -1]])
        _ = try await HubError.of { try await pull(server) }
        let blobs = server.folder("\(name)/blobs")
        let left = try FileManager.default.contentsOfDirectory(atPath: blobs.path).filter { $0.count == 64 + 16 }
        let part = try #require(left.first)
        let handle = try FileHandle(forUpdating: blobs.appending(path: part))
        try handle.write(contentsOf: Data(repeating: 7, count: 100))
        try handle.close()
        try await server.disturb([])
        try await pull(server)
    }

    @Test("A server that ignores ranges sends the whole file; one that sends less or more is found out")
    func ranges() async throws {
        for size in [90_000, 450_000] {
            let server = try await server(large: size)
            try await server.disturb([
                ["path": "storage", "cut_at": 50_000], ["path": "storage", "ignore_range": true, "times": -1],
            ])
            try await pull(server)
        }
    }

    @Test("Addresses of the storage that are used up are asked for anew")
    func expiry() async throws {
        let server = try await server()
        try await server.set(["expired": 2])
        try await pull(server)
        let log = try await server.log()
        #expect(log.contains { $0.host == "storage" && $0.status == 403 })
    }

    @Test("A server that stalls, drips or is away ends within the bounds")
    func stalls() async throws {
        let server = try await server()
        try await server.disturb([["path": "storage", "stall_at": 70_000]])
        _ = try await Hub(settings: server.settings(isImpatient: true)).snapshot(of: RepositoryName("org/tiny"))
        for rule: JSONValue in [
            ["path": "storage", "stall_at": 70_000, "times": -1], ["path": "storage", "drip": 100, "times": -1],
            ["path": "hub/api/models", "delay": 600, "times": -1],
        ] {
            let server = try await self.server()
            try await server.disturb([rule])
            var settings = try server.settings(isImpatient: true)
            settings.attempts = 2
            let error = try await HubError.of {
                _ = try await Hub(settings: settings).snapshot(of: RepositoryName("org/tiny"))
            }
            #expect(error.code == .stalled, "\(error)")
        }
        let away = try await HubError.of { try await pull(self.server(), ["HF_ENDPOINT": "http://127.0.0.1:9"]) }
        #expect(away.code == .unavailable)
        #expect(away.description.hasPrefix("127.0.0.1 cannot be reached or broke off: "), "\(away)")
    }

    @Test("Passing troubles of the server are waited out, within bounds")
    func retries() async throws {
        let server = try await server()
        try await server.disturb([
            ["path": "hub/api/models/org/tiny/revision", "status": 503],
            ["path": "hub/api/models/org/tiny/tree", "status": 429, "headers": ["Retry-After": "1"]],
            ["path": "hub/org/tiny/resolve/.*safetensors", "status": 500],
            ["path": "storage", "status": 502, "times": 2],
        ])
        let start = ContinuousClock.now
        try await pull(server)
        #expect(ContinuousClock.now - start > .seconds(1))
        for (status, headers, code) in [
            (503, ["Retry-After": "1"], HubError.Code.unavailable), (429, ["Retry-After": "100"], .rateLimited),
            (429, ["RateLimit": "\"api\";r=0;t=200"], .rateLimited),
        ] as [(Int, [String: JSONValue], HubError.Code)] {
            let server = try await self.server()
            try await server.disturb([
                ["path": "hub/", "status": .integer(status), "headers": .object(headers), "times": -1]
            ])
            let error = try await HubError.of { try await pull(server) }
            #expect(error.code == code, "\(error)")
            #expect(try await server.log().count == (code == .unavailable ? 3 : 1))
        }
    }

    @Test("Two at once: one download")
    func together() async throws {
        let server = try await server()
        try await server.disturb([["path": "storage", "drip": 200_000, "times": -1]])
        try await withThrowingTaskGroup(of: Void.self) { group in
            let settings = try server.settings()
            for _ in 0..<3 {
                group.addTask { _ = try await Hub(settings: settings).snapshot(of: RepositoryName("org/tiny")) }
            }
            try await group.waitForAll()
        }
        let log = try await server.log()
        #expect(log.count { $0.host == "storage" } == 5)
        #expect(log.count { $0.path.contains("resolve-cache") } == 3)
        try await pull(server)
    }

    @Test("Cancelling ends a download, and what came stays")
    func cancellation() async throws {
        let server = try await server()
        try await server.disturb([["path": "storage", "drip": 1200, "times": -1]])
        // In one piece it takes minutes: it is not over before it is cancelled.
        var settings = try server.settings()
        settings.pieceSize = 1 << 30
        let hub = Hub(settings: settings)
        let (beginning, began) = AsyncStream<Void>.makeStream()
        let task = Task {
            try await hub.snapshot(of: RepositoryName("org/tiny")) { if $0.bytes > 0 { began.finish() } }
        }
        for await _ in beginning {}
        task.cancel()
        let error = try await HubError.of { _ = try await task.value }
        #expect(error.code == .cancelled)
        try await server.disturb([])
        try await pull(server)
    }

    @Test("A disk without room is said before anything is fetched")
    func space() async throws {
        let server = try await server()
        var settings = try server.settings()
        settings.reservedSpace = 1 << 60
        let error = try await HubError.of {
            _ = try await Hub(settings: settings).snapshot(of: RepositoryName("org/tiny"))
        }
        #expect(error.code == .diskFull)
        #expect(error.description.hasPrefix("model 'org/tiny' needs 450.0 kB more and the disk of "), "\(error)")
        #expect(try await server.log().allSatisfy { $0.path.hasPrefix("/api/models") })
    }

    @Test("Empty files and datasets come too")
    func odd() async throws {
        let server = try HubServer()
        try await server.set([
            "repositories": [
                "datasets/org/data": [
                    "files": ["empty.txt": ["text": ""], "a b%20c#?.parquet": ["size": 10, "seed": 3]]
                ]
            ]
        ])
        let snapshot = try await server.hub().snapshot(of: RepositoryName("org/data", kind: .dataset))
        #expect(snapshot.files.map(\.path) == ["a b%20c#?.parquet", "empty.txt"])
        for file in snapshot.files { #expect(try Data(contentsOf: snapshot.url(of: file)).count == file.size) }
        #expect(snapshot.folder.path.contains("datasets--org--data"))
    }
}
