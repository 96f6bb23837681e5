import ApusData
import Foundation
import Testing

@Suite("Bad datasets are refused with the place and the reason")
struct DatasetErrorTests {
    struct Bad: Sendable, CustomTestStringConvertible {
        let name: String
        let text: String
        var mapping = ColumnMapping()
        let code: DataError.Code
        let line: Int?
        let says: [String]
        var testDescription: String { "\(name) \(text.prefix(40).debugDescription)" }
    }

    private static let good = #"{"question":"q"}"# + "\n"
    private static let withAnswer = ColumnMapping(answer: "answer", answerExtraction: .afterHashes)

    static let rows: [Bad] = [
        Bad(name: "a.jsonl", text: "", code: .empty, line: nil, says: ["found 0", "the file is empty"]),
        Bad(name: "a.jsonl", text: "\u{FEFF}", code: .empty, line: nil, says: ["the file is empty"]),
        Bad(name: "a.jsonl", text: "\n \r\n\t\n", code: .empty, line: nil, says: ["all 3 lines are blank"]),
        Bad(
            name: "a.jsonl", text: good + "\r\n" + #"{"text":"q","id":3}"#, code: .missingColumn, line: 3,
            says: ["'question' for the prompt", "found id, text"]),
        Bad(name: "a.jsonl", text: "{}", code: .missingColumn, line: 1, says: ["found no columns"]),
        Bad(
            name: "a.jsonl", text: #"{"question":"q","gold":"4"}"#, mapping: withAnswer, code: .missingColumn, line: 1,
            says: ["'answer' for the answer", "found gold, question"]),
        Bad(
            name: "a.jsonl", text: good + #"{"question":4}"#, code: .wrongType, line: 2,
            says: ["'question'", "found a number"]),
        Bad(name: "a.jsonl", text: #"{"question":null}"#, code: .wrongType, line: 1, says: ["found null"]),
        Bad(
            name: "a.jsonl", text: #"{"question":"q","answer":4}"#, mapping: withAnswer, code: .wrongType, line: 1,
            says: ["'answer'", "found a number"]),
        Bad(name: "a.jsonl", text: #"{"prompt":[]}"#, code: .wrongType, line: 1, says: ["found an empty list"]),
        Bad(
            name: "a.jsonl", text: #"{"prompt":[{"role":"user","content":"u"},{"role":"user","text":"u"}]}"#,
            code: .wrongType, line: 1, says: ["found keys role, text as message 2"]),
        Bad(
            name: "a.jsonl", text: #"{"prompt":["hello"]}"#, code: .wrongType, line: 1,
            says: ["found text as message 1"]),
        Bad(
            name: "a.jsonl", text: #"{"prompt":[{"role":"user","content":[{"type":"image"}]}]}"#, code: .wrongType,
            line: 1, says: ["parts of text in the content of message 1", "a part of type 'image'"]),
        Bad(
            name: "a.jsonl", text: #"{"prompt":[{"role":"user","content":4}]}"#, code: .wrongType, line: 1,
            says: ["text or a list of parts", "found a number"]),
        Bad(
            name: "a.jsonl", text: #"{"prompt":"q","tools":"f"}"#, code: .wrongType, line: 1,
            says: ["column 'tools'", "found text"]),
        Bad(
            name: "a.jsonl", text: #"{"prompt":"q","chat_template_kwargs":[]}"#, code: .wrongType, line: 1,
            says: ["'chat_template_kwargs'", "found an array"]),
        Bad(name: "a.jsonl", text: good + "[1]", code: .wrongType, line: 2, says: ["an object", "found an array"]),
        Bad(
            name: "a.jsonl", text: good + good + #"{"question":"#, code: .invalidJSON, line: 3,
            says: ["found the end", "byte 13"]),
        Bad(
            name: "a.jsonl", text: #"{"question":"q"} x"#, code: .invalidJSON, line: 1,
            says: ["wanted the end, found 'x' at byte 18"]),
        Bad(
            name: "a.jsonl", text: #"{"question":"q",}"#, code: .invalidJSON, line: 1,
            says: ["wanted a key in quotes, found '}'"]),
        Bad(
            name: "a.jsonl", text: #"{"question":"q","question":"r"}"#, code: .invalidJSON, line: 1,
            says: ["'question' twice"]),
        Bad(
            name: "a.jsonl", text: #"{"question":NaN}"#, code: .invalidJSON, line: 1,
            says: ["wanted a value, found 'N'"]),
        Bad(name: "a.jsonl", text: #"{'question':'q'}"#, code: .invalidJSON, line: 1, says: ["found '''"]),
        Bad(name: "a.jsonl", text: "{\"question\":\"a\tb\"}", code: .invalidJSON, line: 1, says: ["control character"]),
        Bad(name: "a.jsonl", text: #"{"question":"\ud83d"}"#, code: .invalidJSON, line: 1, says: ["half of one"]),
        Bad(
            name: "a.jsonl", text: "{\n\"question\": \"q\"\n}", code: .invalidJSON, line: 1,
            says: ["each line must be one object"]),
        Bad(name: "a.json", text: "", code: .empty, line: nil, says: ["the file is empty"]),
        Bad(name: "a.json", text: "[ \n]", code: .empty, line: nil, says: ["the array is empty"]),
        Bad(
            name: "a.json", text: "{\n\"data\": []\n}", code: .invalidJSON, line: 1,
            says: ["each line must be one object"]),
        Bad(
            name: "a.json", text: "[\n\(good),\n{\"q\":1}]", code: .missingColumn, line: 4,
            says: ["'question'", "found q"]),
        Bad(name: "a.json", text: "[\n\(good),\n{\"q\":\n1,}]", code: .invalidJSON, line: 5, says: ["a key in quotes"]),
        Bad(name: "a.json", text: "[\(good)\(good)]", code: .invalidJSON, line: 2, says: ["wanted ',', found '{'"]),
        Bad(name: "a.json", text: "[\(good)]\n]", code: .invalidJSON, line: 3, says: ["wanted the end, found ']'"]),
        Bad(name: "a.json", text: "[\(good),]", code: .invalidJSON, line: 2, says: ["wanted a value, found ']'"]),
        Bad(name: "a.json", text: "[\(good)", code: .invalidJSON, line: 2, says: ["found the end"]),
        Bad(name: "a.csv", text: "text\nq\n", code: .missingColumn, line: 2, says: ["'question'", "found text"]),
        Bad(name: "a.xml", text: "<q/>", code: .unsupportedFormat, line: nil, says: [".jsonl", "found .xml"]),
        Bad(name: "a", text: good, code: .unsupportedFormat, line: nil, says: ["found no extension"]),
    ]

    @Test("Bad input 23: each with its code, its line and what was found", arguments: rows)
    func refused(_ bad: Bad) throws {
        try withFile(bad.name, bad.text.utf8) { path in
            let error = try #require(throws: DataError.self) { try Dataset(path: path, mapping: bad.mapping) }
            #expect(error.code == bad.code && error.line == bad.line, "\(error)")
            for part in bad.says { #expect(error.description.contains(part), "\(error)") }
            #expect(error.description.hasPrefix(bad.line.map { "\(path):\($0): " } ?? "\(path): "))
            #expect(error.description.split(whereSeparator: \.isNewline).count == 1)
        }
    }

    @Test("Bad input 23: text that is not UTF-8 is refused with its line")
    func encoding() throws {
        let latin1 = Array(#"{"question":"caf"#.utf8) + [0xE9] + Array("\"}\n".utf8)
        for (name, line) in [("a.jsonl", 2), ("a.json", 2)] {
            try withFile(name, Array(Self.good.utf8) + latin1) { path in
                let error = try #require(throws: DataError.self) { try Dataset(path: path) }
                #expect(error.code == .invalidText && error.line == line, "\(error)")
            }
        }
        try withFile("a.jsonl", [0xFF, 0xFE, 0x7B, 0]) { path in
            let error = try #require(throws: DataError.self) { try Dataset(path: path) }
            #expect(error.code == .invalidText && error.message.contains("UTF-16"))
        }
    }

    @Test("Bad input 23: neither a byte order mark, CRLF nor a line of 10 MB hides the line or makes the message long")
    func placesInLargeFiles() throws {
        let long = "{\"question\":\"\(String(repeating: "é", count: 5 << 20))"
        for (ending, line) in [("\"} x", 3), ("", 3), ("\",\"question\":1}", 3), ("\"}\r\n[", 4)] {
            let text = "\u{FEFF}" + #"{"question":"q"}"# + "\r\n\r\n" + long + ending + "\r\n"
            try withFile("a.jsonl", text.utf8) { path in
                let error = try #require(throws: DataError.self) { try Dataset(path: path) }
                #expect(error.line == line && error.description.hasPrefix("\(path):\(line): "))
                #expect(error.description.count < path.count + 200)
            }
        }
    }

    @Test("A missing file and a folder are refused")
    func unreadable() throws {
        try withFile("a.jsonl", Self.good.utf8) { path in
            let missing = try #require(throws: DataError.self) { try Dataset(path: path + ".jsonl") }
            #expect(missing.code == .unreadable && missing.message.contains("found nothing"))
            let folder = URL(filePath: path).deletingLastPathComponent().appending(path: "folder.jsonl")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let error = try #require(throws: DataError.self) { try Dataset(path: folder.path(percentEncoded: false)) }
            #expect(error.code == .unreadable && error.message.contains("found a folder"))
        }
    }
}
