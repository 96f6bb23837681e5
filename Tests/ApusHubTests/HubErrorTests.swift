import ApusFormats
import ApusTestSupport
import Foundation
import Testing

@testable import ApusHub

@Suite("What can be wrong with a repository, a server or a cache", .serialized)
struct HubErrorTests {
    private let secret = "hf_s3cretT0ken"

    private func server() async throws -> HubServer {
        let server = try HubServer()
        try await server.set([
            "repositories": [
                "models/org/tiny": HubServer.model(large: 250_000), "models/old/tiny": ["moved": "org/tiny"],
                "models/org/gated": HubServer.model(large: 250_000, ["gated": true]),
                "models/org/private": HubServer.model(large: 250_000, ["private": true]),
                "datasets/org/data": [
                    "commits": [["a.txt": ["text": "old"]], ["a.txt": ["text": "new"]], ["0.parquet": ["text": "p"]]],
                    "references": ["main": 1, "v1": 0, "refs/convert/parquet": 2],
                ],
            ]
        ])
        return server
    }

    private func error(
        _ server: HubServer, _ name: String, _ environment: [String: String] = [:], kind: RepositoryName.Kind = .model
    ) async throws -> HubError {
        let error = try await HubError.of {
            _ = try await server.hub(environment).snapshot(of: RepositoryName(name, kind: kind))
        }
        #expect(!error.description.contains(secret) && !error.description.contains("\n"), "\(error)")
        return error
    }

    @Test("Missing, private and gated repositories are told apart as far as the hub does")
    func access() async throws {
        let server = try await server()
        for environment in [[:], ["HF_TOKEN": secret]] {
            let missing = try await error(server, "org/none", environment)
            #expect(missing.code == .missingRepository)
            #expect(missing.description.hasPrefix("there is no model 'org/none' on the hub, or it is private: "))
            #expect(try await error(server, "org/private", environment).code == .missingRepository)
            let gated = try await error(server, "org/gated", environment)
            #expect(gated.code == .gated)
            let page = "accept its terms at \(server.endpoint.absoluteString)/org/gated, "
            #expect(gated.description.contains(page), "\(gated)")
        }
        for name in ["org/private", "org/gated"] {
            _ = try await server.hub(["HF_TOKEN": "hf_good"]).snapshot(of: RepositoryName(name))
        }
        #expect(
            try await error(server, "org/tiny@v9")
                == HubError(.missingRevision, "model 'org/tiny' has no revision 'v9'"))
        try await server.disturb([["path": "hub/api", "status": 403, "times": -1]])
        #expect(try await error(server, "org/tiny", ["HF_TOKEN": secret]).code == .unauthorized)
    }

    @Test("The token goes to the endpoint and to nobody else")
    func token() async throws {
        let server = try await server()
        let other = try await self.server()
        try await server.disturb([
            ["path": "hub/api/models/org/private/tree", "location": .string(other.endpoint.absoluteString + "/x")]
        ])
        _ = try await error(server, "org/private", ["HF_TOKEN": "hf_good"])
        #expect(try await other.log().map(\.hasToken) == [false])
        try await server.disturb([])
        _ = try await server.hub(["HF_TOKEN": "hf_good"]).snapshot(of: RepositoryName("org/private"))
        let log = try await server.log()
        #expect(log.filter { $0.host == "storage" }.count == 3)
        #expect(log.allSatisfy { $0.hasToken == ($0.host == "hub") })
        let silent = ["HF_TOKEN": secret, "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"]
        _ = try await server.hub(silent).snapshot(of: RepositoryName("org/tiny"))
        #expect(try await server.log().allSatisfy { !$0.hasToken })
    }

    @Test("Redirections to other schemes, and without end, are not followed")
    func redirections() async throws {
        let server = try await server()
        for location in ["ftp://127.0.0.1/x", "file:///etc/passwd", "/api/models/org/tiny/revision/main"] {
            try await server.disturb([["path": "hub/api/models", "location": .string(location), "times": -1]])
            #expect(try await error(server, "org/tiny").code == .badAnswer)
        }
        try await server.disturb([["path": "hub/org/tiny/resolve", "location": "gopher://127.0.0.1/", "times": -1]])
        #expect(try await error(server, "org/tiny").code == .badAnswer)
    }

    @Test("Redirections may lead from http to https, and never back")
    func schemes() throws {
        let (plain, secure) = (try #require(URL(string: "http://a/x")), try #require(URL(string: "https://a/x")))
        #expect(try HubConnection.target("https://b/y", from: plain).host == "b")
        #expect(try HubConnection.target("https://b/y", from: secure).host == "b")
        for location in ["http://a/y", "http://b/y", "//b", "javascript:x", ""] {
            #expect(throws: HubTrouble.self) { try HubConnection.target(location, from: secure) }
        }
    }

    @Test("Of the next page only the question is taken, whatever its server")
    func pages() {
        let link =
            "<https://elsewhere/api/x?cursor=a%3D&limit=2>; rel=\"next\", <https://elsewhere/p?c=0>; rel=\"prev\""
        #expect(HubConnection.nextQuery(link) == "cursor=a%3D&limit=2")
        #expect(HubConnection.nextQuery("<https://elsewhere/p?c=0>; rel=\"prev\"") == nil)
        #expect(HubConnection.nextQuery(nil) == nil)
    }

    @Test("A repository that has another name now is found, and its name said")
    func moved() async throws {
        let server = try await server()
        let snapshot = try await server.hub().snapshot(of: RepositoryName("old/tiny"))
        #expect(snapshot.currentID == "org/tiny")
        #expect(snapshot.folder.path.contains("models--old--tiny"))
        #expect(try await server.hub().snapshot(of: RepositoryName("org/tiny")).currentID == nil)
    }

    @Test("Branches, tags and commits, with slashes in their names")
    func revisions() async throws {
        let server = try await server()
        let hub = try server.hub()
        for (revision, path, text) in [
            ("", "a.txt", "new"), ("@v1", "a.txt", "old"), ("@refs/convert/parquet", "0.parquet", "p"),
        ] {
            let snapshot = try await hub.snapshot(of: RepositoryName("org/data\(revision)", kind: .dataset))
            #expect(try String(contentsOf: snapshot.folder.appending(path: path), encoding: .utf8) == text)
        }
        #expect(try await server.log().contains { $0.path.hasSuffix("/revision/refs%2Fconvert%2Fparquet") })
        let reference = server.folder("datasets--org--data/refs/refs/convert/parquet")
        #expect(try String(contentsOf: reference, encoding: .utf8).count == 40)
    }

    @Test("Without the network: everything that is here is found, and what is missing is named")
    func offline() async throws {
        let server = try await server()
        let offline = ["HF_HUB_OFFLINE": "1"]
        #expect(try await error(server, "org/tiny", offline).code == .offline)
        let hub = try server.hub()
        let tiny = try RepositoryName("org/tiny")
        _ = try await hub.snapshot(of: tiny, files: .named(["README.md"]))
        let missing = try await error(server, "org/tiny", offline)
        #expect(
            missing.code == .offline && missing.description.contains("'config.json' and 2 more of model 'org/tiny'"))
        let whole = try await hub.snapshot(of: tiny)
        _ = try await server.log()
        let found = try await server.hub(offline).snapshot(of: tiny)
        #expect(found.folder == whole.folder && found.isFromCache)
        #expect(
            try await server.hub(offline).snapshot(of: RepositoryName("org/tiny@\(whole.commit)")).folder
                == whole.folder)
        // What another program cached without a listing.
        try FileManager.default.removeItem(at: server.folder("models--org--tiny/trees"))
        #expect(try await server.hub(offline).snapshot(of: tiny).files.count == 4)
        #expect(try await server.hub(offline).model(tiny).url == whole.folder)
        #expect(try await error(server, "org/tiny@v2", offline).code == .offline)
        #expect(try await server.log().isEmpty)
    }

    @Test("A hub that is away does not matter when everything is here")
    func fallback() async throws {
        let server = try await server()
        let snapshot = try await server.hub().snapshot(of: RepositoryName("org/tiny"))
        let away = ["HF_ENDPOINT": "http://127.0.0.1:9"]
        let found = try await server.hub(away).snapshot(of: RepositoryName("org/tiny"))
        #expect(found.isFromCache && found.folder == snapshot.folder)
        #expect(try await error(server, "org/tiny@v1", away).code == .unavailable)
    }

    @Test(
        "Listings that lead elsewhere are refused and nothing is written",
        arguments: [
            "../evil", "a/../../evil", "/etc/evil", "a//b", "a\\..\\evil", "line\nbreak", "nul\u{0}l", ".git/config",
            "a/.GIT/hooks/x", "./a", "", "a/", "\u{202E}txt.exe", String(repeating: "x", count: 300),
            String(repeating: "x/", count: 600) + "x",
        ])
    func hostilePaths(path: String) async throws {
        let server = try await server()
        let entry: JSONValue = [
            "type": "file", "path": .string(path), "size": 1, "oid": .string(String(repeating: "a", count: 40)),
        ]
        try await server.set(["listings": ["models/org/tiny": [entry]]])
        #expect(try await error(server, "org/tiny").code == .unsafePath)
        #expect(!FileManager.default.fileExists(atPath: server.folder("models--org--tiny").path))
    }

    @Test("Listings that contradict themselves are refused")
    func hostileListings() async throws {
        let server = try await server()
        let oid = JSONValue.string(String(repeating: "a", count: 40))
        let file = { (path: String) -> JSONValue in ["type": "file", "path": .string(path), "size": 1, "oid": oid] }
        for (entries, code) in [
            ([file("a"), file("a")], HubError.Code.unsafePath), ([file("a"), file("a/b")], .unsafePath),
            ([["type": "file", "path": "a", "size": -1, "oid": oid]], .badAnswer),
            ([["type": "file", "path": "a", "size": 1, "oid": "../../x"]], .badAnswer),
            ([["type": "file", "path": "a", "size": 1, "oid": oid, "lfs": ["oid": "x", "size": 1]]], .badAnswer),
            ([["type": "file"]], .badAnswer),
        ] as [([JSONValue], HubError.Code)] {
            try await server.set(["listings": ["models/org/tiny": .array(entries)]])
            #expect(try await error(server, "org/tiny").code == code)
        }
    }

    @Test("Links in the cache that lead out of it are not written through")
    func links() async throws {
        for place in ["models--org--tiny", "models--org--tiny/blobs", "models--org--tiny/snapshots", ".locks"] {
            let server = try await server()
            let outside = server.cache.url.appending(path: "outside")
            try FileManager.default.createDirectory(at: outside, withIntermediateDirectories: true)
            let link = server.folder(place)
            try FileManager.default.createDirectory(
                at: link.deletingLastPathComponent(), withIntermediateDirectories: true)
            try FileManager.default.createSymbolicLink(at: link, withDestinationURL: outside)
            #expect(try await error(server, "org/tiny").code == .unsafePath)
            #expect(try FileManager.default.contentsOfDirectory(atPath: outside.path).isEmpty, "\(place)")
        }
    }
}
