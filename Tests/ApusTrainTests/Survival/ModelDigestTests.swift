import ApusTestSupport
import Foundation
import Testing

@testable import ApusTrain

/// What tells one model from another.
struct ModelDigestTests {
    private func digest(_ folder: TemporaryFolder) throws -> String { try ModelDigest.digest(path: folder.url.path) }

    @Test("Bad input 41: a model is known wherever it lies, and any change of its small files is seen")
    func folders() throws {
        let first = try TemporaryFolder()
        let second = try TemporaryFolder()
        for folder in [first, second] {
            for name in ["config.json", "model.safetensors", "tokenizer.json"] {
                _ = try folder.write(Data("{\"\(name)\": 1}".utf8), as: name)
            }
        }
        let known = try digest(first)
        #expect(try digest(second) == known)
        _ = try second.write(Data("notes".utf8), as: "README.md")
        #expect(try digest(second) == known)
        _ = try second.write(Data("{\"config.json\": 2}".utf8), as: "config.json")
        #expect(try digest(second) != known)
    }

    @Test("Bad input 41: of a large file the size, the beginning and pieces up to the end count")
    func largeFiles() throws {
        let folder = try TemporaryFolder()
        let size = 17 << 20
        func digest(_ change: (inout Data) -> Void) throws -> String {
            var data = Data(count: size)
            change(&data)
            return try ModelDigest.digest(path: folder.write(data, as: "model.gguf"))
        }
        let known = try digest { _ in }
        #expect(try digest { _ in } == known)
        #expect(try digest { $0[5000] = 1 } != known)
        #expect(try digest { $0[size - 1] = 1 } != known)
        #expect(try digest { $0.append(0) } != known)
    }

    @Test func aModelThatIsGoneHasNoDigest() {
        #expect(throws: (any Error).self) { try ModelDigest.digest(path: "/nowhere/model.gguf") }
    }
}
