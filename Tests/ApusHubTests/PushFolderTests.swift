import ApusFormats
import ApusTestSupport
import Foundation
import Testing

@testable import ApusHub

@Suite("Folders that are to be pushed")
struct PushFolderTests {
    private func error(_ url: URL) throws -> HubError {
        try #require(throws: HubError.self) { _ = try PushFolder(url) }
    }

    @Test("What is no folder with files is refused")
    func empty() throws {
        let folder = try TemporaryFolder()
        #expect(try error(folder.url).description.contains("has no files to push"))
        #expect(try error(folder.url.appending(path: "none")).description.contains("no such folder"))
        let file = try folder.write(Data(), as: "a.txt")
        #expect(try error(URL(filePath: file)).description.contains("is no folder"))
        let none = try #require(throws: HubError.self) { _ = try PushFolder(folder.url) { _ in false } }
        #expect(none.code == .badFolder && none.description.contains("beside 1 that are left out"))
    }

    @Test("Links inside are followed; links out of the folder, to folders and to nothing are refused")
    func links() throws {
        let folder = try TemporaryFolder()
        let outside = try TemporaryFolder()
        let secret = try outside.write(Data("secret".utf8), as: "key")
        _ = try folder.write(Data("a".utf8), as: "a.txt")
        let manager = FileManager.default
        let link = folder.url.appending(path: "link").path
        try manager.createSymbolicLink(atPath: link, withDestinationPath: "a.txt")
        #expect(try PushFolder(folder.url).files.map(\.path) == ["a.txt", "link"])
        for (target, code) in [
            (secret, HubError.Code.unsafePath), ("../\(outside.url.lastPathComponent)/key", .unsafePath),
            (outside.url.path, .unsafePath), (".", .unsafePath), ("nowhere", .badFolder), ("/dev/zero", .unsafePath),
        ] {
            try manager.removeItem(atPath: link)
            try manager.createSymbolicLink(atPath: link, withDestinationPath: target)
            let error = try error(folder.url)
            #expect(error.code == code, "\(target): \(error)")
        }
        try manager.removeItem(atPath: link)
        #expect(mkfifo(link, 0o600) == 0)
        #expect(try error(folder.url).description.contains("is no file"))
    }

    @Test("Names that the hub does not take are refused, and what is git's passed over")
    func names() throws {
        for name in ["a\\b", "new\nline", "\u{202E}gpj.exe"] {
            let folder = try TemporaryFolder()
            _ = try folder.write(Data("a".utf8), as: name)
            #expect(try error(folder.url).code == .unsafePath)
        }
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(
            at: folder.url.appending(path: ".git/refs"), withIntermediateDirectories: true)
        _ = try folder.write(Data("a".utf8), as: ".git/config")
        _ = try folder.write(Data("a".utf8), as: ".apus.lock")
        _ = try folder.write(Data("a".utf8), as: "a.txt")
        #expect(try PushFolder(folder.url).files.map(\.path) == ["a.txt"])
    }

    @Test("A file that changes while it is pushed is found out")
    func changes() async throws {
        let folder = try TemporaryFolder()
        _ = try folder.write(Data(repeating: 1, count: 1000), as: "a.bin")
        let file = try #require(try PushFolder(folder.url).file("a.bin"))
        let reader = try PushReader(file)
        #expect(try await reader.checksum(isLarge: true) == sha256(Data(repeating: 1, count: 1000)))
        let handle = try FileHandle(forUpdating: folder.url.appending(path: "a.bin"))
        try handle.write(contentsOf: Data([2]))
        try handle.truncate(atOffset: 900)
        await #expect(throws: HubError.self) { try await reader.checksum(isLarge: true) }
        #expect(throws: HubError.self) { try PushReader(file) }
    }

    private func sha256(_ data: Data) -> String {
        var hash = SHA256()
        hash.update(data)
        return hash.hexadecimal
    }

    @Test("An adapter's configuration names its base model by the name on the hub")
    func base() throws {
        let folder = try TemporaryFolder()
        let text = "{\"r\": 8, \"base_model_name_or_path\": \"/home/me/model\", \"lora_alpha\": 16.0}"
        _ = try folder.write(Data(text.utf8), as: "adapter_config.json")
        var files = try PushFolder(folder.url)
        try files.nameBase(RepositoryName("org/base"))
        guard case .data(let data)? = files.file("adapter_config.json")?.source else {
            Issue.record("not replaced")
            return
        }
        let tree = try JSONValue(json: data)
        #expect(tree["base_model_name_or_path"] == "org/base" && tree["r"] == 8 && tree["lora_alpha"] == 16)
        #expect(files.files.count == 1)
        _ = try folder.write(Data("[]".utf8), as: "adapter_config.json")
        var damaged = try PushFolder(folder.url)
        #expect(throws: HubError.self) { try damaged.nameBase(RepositoryName("org/base")) }
    }
}
