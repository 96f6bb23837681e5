import ApusFormats
import ApusTestSupport
import Foundation
import Testing

@Suite struct MappedFileTests {
    @Test func discardedPagesCanBeReadAgain() throws {
        let folder = try TemporaryFolder()
        let content = Data((0..<40_000).map { UInt8(truncatingIfNeeded: $0 / 7) })
        let file = try MappedFile(path: try folder.write(content, as: "file"))
        #expect(file.count == content.count)
        #expect(file.withBytes { Data($0) } == content)
        for range in [0..<40_000, 5..<6, 4096..<8192, 39_999..<40_000, 40_000..<40_000] {
            file.discard(range)
            #expect(file.withBytes { Data($0) } == content)
        }
    }

    @Test func emptyFileHasNoBytes() throws {
        let folder = try TemporaryFolder()
        let file = try MappedFile(path: try folder.write(Data(), as: "empty"))
        #expect(file.count == 0 && file.withBytes { $0.count } == 0)
        file.discard(0..<0)
    }
}
