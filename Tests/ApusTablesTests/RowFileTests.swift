import ApusFormats
import ApusTables
import ApusTestSupport
import Foundation
import Testing

@Suite("Files of rows are read one row after another")
struct RowFileTests {
    private let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    private func reader(_ name: String, _ text: String) throws -> any RowReader {
        try RowFile.reader(folder.write(Data(text.utf8), as: name))
    }

    @Test("A row knows its line")
    func linesAreNumbered() throws {
        var reader = try reader("a.jsonl", "\n{\"a\": 1}\r\n\n{\"a\": 2}")
        #expect(reader.rowCount == nil)
        let first = try #require(try reader.next())
        #expect(first.place.position == .line(2) && first.value["a"] == 1)
        #expect(try reader.next()?.place.position == .line(4))
        #expect(try reader.next() == nil)
    }

    @Test("A .json file may hold one object a line, as other tools name such files too")
    func linesInJSON() throws {
        for text in ["{\"a\": 1}\n{\"a\": 2}\n", " \n [{\"a\": 1},\n{\"a\": 2}]", "\u{FEFF}{\"a\":1}\n\n{\"a\":2}"] {
            var reader = try reader("a.json", text)
            #expect(try reader.next()?.value == ["a": 1])
            #expect(try reader.next()?.value == ["a": 2])
            #expect(try reader.next() == nil)
        }
    }

    @Test("A reader without a row says why")
    func reasons() throws {
        for (name, text, reason) in [
            ("a.jsonl", "", "the file is empty"), ("a.jsonl", " \n\n", "all 2 lines are blank"),
            ("a.json", "[]", "the array is empty"), ("a.csv", "", "the file is empty"),
            ("a.csv", "a,b\n", "nothing follows the line of names"),
        ] {
            var reader = try reader(name, text)
            #expect(try reader.next() == nil)
            #expect(reader.reasonForNoRows == reason)
        }
    }

    @Test("Tabs separate in .tsv, and extensions are no matter of case")
    func extensions() throws {
        var reader = try reader("a.TSV", "a\tb\n1,5\tx\n")
        #expect(try reader.next()?.value == ["a": "1,5", "b": "x"])
        let error = #expect(throws: DataError.self) { try RowFile.reader("a.xlsx") }
        #expect(error?.code == .unsupportedFormat && error?.message.contains("found .xlsx") == true)
        let packed = #expect(throws: DataError.self) { try RowFile.reader("a.jsonl.gz") }
        #expect(packed?.message.hasSuffix("found .gz; unpack it first") == true)
    }

    @Test(
        "A text cut anywhere gives rows or an error with its line", arguments: ["a.jsonl", "a.json", "a.csv", "a.tsv"])
    func truncation(name: String) throws {
        let text = Array("[{\"a\": \"é\\n\", \"b\": [1, 2.5]},\r\n {\"a\": null}]\n{\"a\": \"\\ud83d\\ude00\"}\n".utf8)
        for start in [0, 1] {
            for end in start...text.count {
                let path = try folder.write(Data(text[start..<end]), as: name)
                do throws(DataError) {
                    var reader = try RowFile.reader(path)
                    while try reader.next() != nil {}
                } catch {
                    #expect(error.line != nil && error.file == path, "\(error)")
                    #expect(!error.description.contains("\n"))
                }
            }
        }
    }
}
