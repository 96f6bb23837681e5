import ApusFormats
import ApusTestSupport
import Foundation
import Testing

@testable import ApusTables

@Suite("Tables in text")
struct CSVTests {
    struct Golden: Decodable {
        let text: String
        let delimiter: String
        let records: [[String]]
    }

    private func rows(_ text: String, separator: Character = ",") throws -> [JSONValue] {
        var reader = try CSVReader(file: "a.csv", separator: try #require(separator.asciiValue)) {
            () throws(DataError) in
            try LineReader(bytes: Array(text.utf8), file: "a.csv")
        }
        var rows: [JSONValue] = []
        while let row = try reader.next() { rows.append(row.value) }
        #expect(reader.rowCount == rows.count)
        return rows
    }

    @Test("Records are those of Python's csv module")
    func golden() throws {
        let all: [Golden] = try Fixture.json("tables/csv.json")
        #expect(all.count == 200)
        for golden in all {
            var records = CSVRecords(
                try LineReader(bytes: Array(golden.text.utf8), file: "a.csv"),
                separator: try #require(golden.delimiter.utf8.first), file: "a.csv")
            var found: [[String]] = []
            while let record = try records.next() {
                found.append(record.fields.map { String(decoding: $0.bytes, as: UTF8.self) })
            }
            #expect(found == golden.records, "\(golden.text.debugDescription)")
        }
    }

    @Test("A column is as narrow as all of its cells allow")
    func kinds() throws {
        let found = try rows(
            "i,f,b,t,zip,mixed,none,big\n1,1,true,NA,007,1,,123456789012345678901\n-2,2.5e3,False,,1,x,,4\n,,,\"\",,,,\n"
        )
        let big = JSONValue.bigInteger(try #require(BigInteger("123456789012345678901")))
        let wanted: [[String: JSONValue]] = [
            ["i": 1, "f": 1.0, "b": true, "t": "NA", "zip": "007", "mixed": "1", "none": .null, "big": big],
            ["i": -2, "f": 2500.0, "b": false, "t": .null, "zip": "1", "mixed": "x", "none": .null, "big": 4],
            ["i": .null, "f": .null, "b": .null, "t": "", "zip": .null, "mixed": .null, "none": .null, "big": .null],
        ]
        #expect(found.map(\.object) == wanted)
        if case .number? = found[0]["f"] {} else { Issue.record("a whole number in a column of fractions is one") }
        if case .integer? = found[0]["i"] {} else { Issue.record("a whole number stays one") }
    }

    @Test("Infinities, hexadecimal digits and plus signs are text")
    func noNumbers() throws {
        for word in ["inf", "nan", "0x10", "+1", "1.", ".5", "1e999", "--1", "1_000", "-", "None"] {
            #expect(try rows("a\n\(word)\n")[0]["a"] == .string(word))
        }
    }

    @Test("The column without a name is called as pandas calls it, and a byte order mark is no part of a name")
    func names() throws {
        #expect(try rows("\u{FEFF},q\n0,x\n") == [["Unnamed: 0": 0, "q": "x"]])
    }

    @Test(
        "What is wrong is said with its line",
        arguments: [
            ("a,b\n1,2\n\n1,2,3\n", 4, "wanted 2 fields as in the first line, found 3"),
            ("a,b\n1\n", 2, "wanted 2 fields as in the first line, found 1"),
            ("a\n\"x\ny\n\n", 2, "wanted a closing quote, found the end of the file"),
            ("a,b\n\"x\"y,1\n", 2, "field 1 after its closing quote, found more text"),
            ("a,a\n1,2\n", 1, "'a' twice"),
        ])
    func faults(_ text: String, _ line: Int, _ says: String) throws {
        let error = try #require(throws: DataError.self) { try rows(text) }
        #expect(error.code == .damaged && error.line == line && error.message.contains(says), "\(error)")
    }

    @Test("A text cut anywhere gives rows or a typed error")
    func truncation() throws {
        let text = Array("q,\"a \"\"b\"\"\",n\r\n\"x\r\ny\",é,1\r\n\"\",z,2.5\r\n".utf8)
        for length in 0...text.count {
            do throws(DataError) {
                var reader = try CSVReader(file: "a.csv") { () throws(DataError) in
                    try LineReader(bytes: Array(text.prefix(length)), file: "a.csv")
                }
                while try reader.next() != nil {}
            } catch {
                #expect(error.line != nil || error.code == .empty, "\(error)")
            }
        }
    }
}
