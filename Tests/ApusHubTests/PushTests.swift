import ApusFormats
import ApusTestSupport
import Foundation
import Synchronization
import Testing

@testable import ApusHub

@Suite("Folders pushed to the hub", .serialized)
struct PushTests {
    private let secret = "hf_good"

    private func server(_ more: [String: JSONValue] = [:]) async throws -> HubServer {
        let server = try HubServer()
        try await server.set(.object(["repositories": [:]].merging(more) { $1 }))
        return server
    }

    /// A folder with an adapter in it: a large file of so many bytes, small ones, an empty one and one in a folder.
    private func adapter(large: Int = 450_000, seed: UInt64 = 1) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(
            at: folder.url.appending(path: "sub/äé"), withIntermediateDirectories: true)
        _ = try folder.write(Self.bytes(large, seed), as: "adapter_model.safetensors")
        _ = try folder.write(Data("{\"r\": 8}".utf8), as: "adapter_config.json")
        _ = try folder.write(Data(), as: "sub/empty.txt")
        _ = try folder.write(Data("line \u{2028} \"quoted\" \\ ü\r\n\0".utf8), as: "sub/äé/odd name+%41.txt")
        return folder
    }

    private static func bytes(_ count: Int, _ seed: UInt64) -> Data {
        var state = seed
        return Data(
            (0..<count).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return UInt8(truncatingIfNeeded: state >> 33)
            })
    }

    @discardableResult
    private func push(
        _ folder: TemporaryFolder, _ server: HubServer, _ name: String = "org/new",
        _ environment: [String: String] = [:], _ change: (inout PushOptions) -> Void = { _ in },
        _ progress: @escaping @Sendable (HubProgress) -> Void = { _ in }
    ) async throws -> HubPush {
        var options = PushOptions()
        change(&options)
        return try await server.hub(["HF_TOKEN": secret].merging(environment) { $1 }).push(
            try PushFolder(folder.url), to: RepositoryName(name), options: options, progress: progress)
    }

    /// What the hub has is what the folder has, byte for byte, and the token went to the hub alone.
    private func check(_ folder: TemporaryFolder, _ server: HubServer, _ name: String = "org/new") async throws {
        let log = try await server.log()
        #expect(log.allSatisfy { $0.hasToken == ($0.host == "hub") }, "\(log)")
        let snapshot = try await server.hub(["HF_TOKEN": secret]).snapshot(of: RepositoryName(name))
        let paths = try PushFolder(folder.url).files.map(\.path)
        #expect(snapshot.files.map(\.path).filter { $0 != ".gitattributes" } == paths)
        for path in paths {
            let found = try Data(contentsOf: snapshot.folder.appending(path: path))
            #expect(try found == Data(contentsOf: folder.url.appending(path: path)), "\(path)")
        }
        _ = try await server.log()
    }

    @Test("A new repository is made, and has what the folder has", arguments: [0, 100_000, 450_000])
    func new(multipart: Int) async throws {
        let server = try await server(multipart > 0 ? ["multipart": .integer(multipart)] : [:])
        let folder = try adapter()
        let last = Mutex(HubProgress())
        let push = try await push(folder, server, "org/new", [:], { _ in }, { seen in last.withLock { $0 = seen } })
        #expect(push.isNew && push.isChanged && push.unchanged.isEmpty)
        #expect(push.sent == (try PushFolder(folder.url).files.map(\.path)))
        #expect(push.bytes == (try PushFolder(folder.url).size))
        #expect(push.url.absoluteString == "\(server.endpoint.absoluteString)/org/new")
        let progress = last.withLock { $0 }
        #expect(progress.bytes == progress.totalBytes && progress.files == 4 && progress.activity == .done)
        let log = try await server.log()
        let lengths = log.filter { $0.method == "PUT" }.map(\.length).sorted()
        #expect(lengths == (multipart == 100_000 ? [50_000] + Array(repeating: 100_000, count: 4) : [450_000]))
        #expect(log.count { $0.path.hasPrefix("/verify/") } == 1)
        #expect(log.count { $0.path.hasPrefix("/complete/") } == (multipart == 100_000 ? 1 : 0))
        #expect(log.allSatisfy { $0.hasToken == ($0.host == "hub") }, "\(log)")
        try await check(folder, server)
    }

    @Test("A folder that is there makes no commit, and of a changed one only what is new is sent")
    func again() async throws {
        let server = try await server()
        let folder = try adapter()
        let first = try await push(folder, server)
        _ = try await server.log()
        let second = try await push(folder, server)
        #expect(!second.isNew && !second.isChanged && second.sent.isEmpty && second.bytes == 0)
        #expect(second.commit == first.commit && second.unchanged.count == 4)
        let questions = try await server.log().map { "\($0.method) \($0.path)" }
        #expect(questions == ["GET /api/models/org/new/revision/main", "POST /api/models/org/new/preupload/main"])
        // The same bytes under another name are not sent again.
        _ = try folder.write(Self.bytes(450_000, 1), as: "copy.safetensors")
        _ = try folder.write(Self.bytes(450_000, 1), as: "copy2.safetensors")
        _ = try folder.write(Data("{\"r\": 16}".utf8), as: "adapter_config.json")
        let third = try await push(folder, server)
        #expect(third.sent == ["adapter_config.json", "copy.safetensors", "copy2.safetensors"])
        #expect(third.bytes == 9 && third.unchanged.count == 3)
        #expect(try await !server.log().contains { $0.method == "PUT" })
        try await check(folder, server)
    }

    @Test("A branch is made where it is missing; the main one stays as it is")
    func branch() async throws {
        let server = try await server()
        let folder = try adapter()
        let main = try await push(folder, server)
        _ = try folder.write(Data("{\"r\": 16}".utf8), as: "adapter_config.json")
        let push = try await push(folder, server, "org/new@exp/2")
        #expect(push.sent == ["adapter_config.json"] && !push.isNew)
        #expect(push.url.absoluteString.hasSuffix("/org/new/tree/exp%2F2"))
        try await check(folder, server, "org/new@exp/2")
        #expect(try await server.hub().listing(of: RepositoryName("org/new")).commit == main.commit)
    }

    @Test("What was made private is private before a byte is sent; a public one is refused then")
    func privacy() async throws {
        let server = try await server()
        let folder = try adapter(large: 1000)
        try await push(folder, server, "org/hidden") { $0.isPrivate = true }
        let error = try await HubError.of { _ = try await server.hub().listing(of: RepositoryName("org/hidden")) }
        #expect(error.code == .missingRepository)
        try await push(folder, server, "org/open")
        _ = try await server.log()
        let refused = try await HubError.of { try await push(folder, server, "org/open") { $0.isPrivate = true } }
        #expect(refused.code == .conflict && refused.description.contains("is public"))
        #expect(try await server.log().allSatisfy { $0.method == "GET" })
    }

    @Test("A suggestion is taken only where neither the folder nor the repository has the file")
    func suggestions() async throws {
        let server = try await server()
        let folder = try adapter(large: 1000)
        func push(_ text: String) async throws -> HubPush {
            var files = try PushFolder(folder.url)
            files.add(Data(text.utf8), as: "README.md", unlessPresent: true)
            return try await server.hub(["HF_TOKEN": secret]).push(files, to: RepositoryName("org/new"))
        }
        #expect(try await push("one").sent.first == "README.md")
        let second = try await push("two")
        #expect(second.kept == ["README.md"] && !second.isChanged)
        _ = try folder.write(Data("own".utf8), as: "README.md")
        let third = try await push("three")
        #expect(third.sent == ["README.md"] && third.kept.isEmpty)
        try await check(folder, server)
    }

    @Test("Only what is wanted is sent, and what the repository ignores stays away")
    func selection() async throws {
        let server = try await server()
        let folder = try adapter(large: 1000)
        _ = try folder.write(Data("x".utf8), as: "optimizer.safetensors")
        _ = try folder.write(Data("x".utf8), as: "notes.ignored")
        let files = try PushFolder(folder.url) { !$0.hasPrefix("optimizer.") }
        #expect(files.leftOut.map(\.path) == ["optimizer.safetensors"])
        let push = try await server.hub(["HF_TOKEN": secret]).push(files, to: RepositoryName("org/new"))
        #expect(push.ignored == ["notes.ignored"] && push.sent.count == 4)
    }

    @Test("A mirror is asked in the place of the hub whose addresses it repeats")
    func mirror() async throws {
        let server = try await server(["own_links": false, "multipart": 100_000])
        let folder = try adapter()
        try await push(folder, server)
        #expect(try await server.log().contains { $0.path.hasPrefix("/complete/") && $0.status == 200 })
    }
}
