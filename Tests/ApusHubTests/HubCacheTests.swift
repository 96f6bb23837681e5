import ApusFormats
import ApusHub
import ApusTestSupport
import Foundation
import Testing

@Suite("The cache", .serialized)
struct HubCacheTests {
    private func filled() async throws -> HubServer {
        let server = try HubServer()
        let old: JSONValue = ["a.bin": ["size": 20_000, "seed": 1], "same.bin": ["size": 10_000, "seed": 2]]
        let new: JSONValue = ["a.bin": ["size": 30_000, "seed": 3], "same.bin": ["size": 10_000, "seed": 2]]
        for (commits, main) in [([old, new], 0), ([old, new], 1)] as [([JSONValue], Int)] {
            try await server.set([
                "repositories": [
                    "models/org/m": ["commits": .array(commits), "references": ["main": .integer(main)]],
                    "datasets/org/d": ["files": ["x.txt": ["text": "x"]]],
                ]
            ])
            _ = try await server.hub().snapshot(of: RepositoryName("org/m"))
        }
        _ = try await server.hub().snapshot(of: RepositoryName("org/d", kind: .dataset))
        return server
    }

    private func names(_ folder: URL) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).sorted()
    }

    @Test("Repositories, revisions and sizes")
    func listing() async throws {
        let server = try await filled()
        let repositories = try server.hub().cache.repositories()
        #expect(repositories.map(\.id) == ["org/d", "org/m"])
        #expect(repositories.map(\.kind) == [.dataset, .model])
        let model = try #require(repositories.last)
        #expect(model.revisions.map(\.references).sorted { $0.count < $1.count } == [[], ["main"]])
        #expect(model.revisions.allSatisfy { $0.files == 2 })
        #expect(model.size >= 60_000 && model.size < 90_000)
        #expect(model.lastUsed.map { Date().timeIntervalSince($0) < 60 } == true)
        #expect(HubCache(URL(filePath: "/nonexistent/cache")).repositories().isEmpty)
    }

    @Test("Revisions without a name go, with what only they had")
    func pruning() async throws {
        let server = try await filled()
        let cache = try server.hub().cache
        let folder = server.folder("models--org--m")
        #expect(try cache.prune().places.isEmpty)
        let dry = try cache.prune(revisionsOlderThan: .zero, isDry: true)
        #expect(names(folder.appending(path: "blobs")).count == 3)
        let removal = try cache.prune(revisionsOlderThan: .zero)
        #expect(removal == dry)
        #expect(removal.bytes >= 20_000 && removal.places.count == 3)
        #expect(names(folder.appending(path: "blobs")).count == 2)
        #expect(names(folder.appending(path: "snapshots")).count == 1)
        let offline = try await server.hub(["HF_HUB_OFFLINE": "1"]).snapshot(of: RepositoryName("org/m"))
        #expect(offline.files.count == 2)
        let leftover = folder.appending(path: "blobs/x.1234.incomplete")
        try Data(count: 5000).write(to: leftover)
        #expect(try cache.prune().places.isEmpty)
        #expect(try cache.prune(incompleteOlderThan: .zero).places == [leftover.path])
    }

    @Test("A repository goes whole, and nothing else")
    func removal() async throws {
        let server = try await filled()
        let cache = try server.hub().cache
        let outside = server.cache.url.appending(path: "outside")
        try FileManager.default.createDirectory(at: outside, withIntermediateDirectories: true)
        try Data("precious".utf8).write(to: outside.appending(path: "file"))
        let snapshots = server.folder("models--org--m/snapshots")
        for link in ["evil", String(repeating: "e", count: 40)] {
            try FileManager.default.createSymbolicLink(at: snapshots.appending(path: link), withDestinationURL: outside)
        }
        let blobs = server.folder("models--org--m/blobs")
        try FileManager.default.createSymbolicLink(
            at: blobs.appending(path: "old.incomplete"), withDestinationURL: outside.appending(path: "file"))
        _ = try cache.prune(revisionsOlderThan: .zero, incompleteOlderThan: .zero)
        let removal = try cache.remove(RepositoryName("org/m"))
        #expect(removal.places == [server.folder("models--org--m/").path(percentEncoded: false)])
        #expect(names(server.folder("")) == [".locks", "CACHEDIR.TAG", "datasets--org--d"])
        #expect(names(outside) == ["file"])
        let again = try await HubError.of { _ = try cache.remove(RepositoryName("org/m")) }
        #expect(again.code == .missingRepository)
        try FileManager.default.createSymbolicLink(at: server.folder("models--org--m"), withDestinationURL: outside)
        #expect(throws: HubError.self) { try cache.remove(RepositoryName("org/m")) }
        #expect(names(outside) == ["file"])
    }
}
