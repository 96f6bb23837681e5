import ApusFormats
import ApusTables
import ApusTestSupport
import Foundation
import Testing

@Suite("Files of rows are read one row after another")
struct RowFileTests {
    @Test("A row knows its line, and the reader why there was none")
    func linesAreNumbered() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(Data("\n{\"a\": 1}\r\n\n{\"a\": 2}".utf8), as: "a.jsonl")
        var reader = try RowFile.reader(path)
        #expect(reader.rowCount == nil)
        let first = try #require(try reader.next())
        #expect(first.place.position == .line(2) && first.value["a"] == 1)
        #expect(try reader.next()?.place.position == .line(4))
        #expect(try reader.next() == nil)
    }
}
