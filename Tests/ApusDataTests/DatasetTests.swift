import ApusData
import ApusText
import Foundation
import Testing

extension JSONValue {
    fileprivate var bigInteger: String? { if case .bigInteger(let value) = self { "\(value)" } else { nil } }
}

@Suite("Datasets are read")
struct DatasetTests {
    private let gsm8k = ColumnMapping(
        prompt: "question", answer: "answer", systemPrompt: "Think.", answerExtraction: .afterHashes)

    private func dataset(
        _ text: String, name: String = "data.jsonl", _ mapping: ColumnMapping = ColumnMapping()
    ) throws -> Dataset {
        try withFile(name, text.utf8) { try Dataset(path: $0, mapping: mapping) }
    }

    private func user(_ text: String) -> Prompt { .messages([Message(role: "user", content: text)]) }

    @Test("Rows in the manner of GSM8K")
    func gsm8kRows() throws {
        let text =
            #"{"question": "Why\u2019s 2+2 \ud83d\ude00?", "answer": "2+2=<<2+2=4>>4\n#### 1\n####\u00a0 1,004 \n"}"#
        let sample = try #require(try dataset(text, gsm8k).samples.first)
        let turns = [
            Message(role: "system", content: "Think."), Message(role: "user", content: "Why\u{2019}s 2+2 \u{1F600}?"),
        ]
        #expect(sample.prompt == .messages(turns))
        #expect(sample.columns["answer"] == "1,004")
        #expect(sample.columns["question"] == "Why\u{2019}s 2+2 \u{1F600}?")
    }

    @Test("An answer without the mark is kept whole, as Python's split does")
    func noMark() throws {
        let sample = try #require(try dataset(#"{"question":"q","answer":" 7\n"}"#, gsm8k).samples.first)
        #expect(sample.columns["answer"] == "7")
    }

    @Test("Bad input 23: byte order mark, CRLF, blank lines and a last line without an end", arguments: ["\n", "\r\n"])
    func lineEnds(lineEnd: String) throws {
        let lines = [#"{"question":"a\r\n"}"#, "", " \t", #"{"question":"b"}"#]
        let text = "\u{FEFF}" + lines.joined(separator: lineEnd)
        for text in [text, text + lineEnd, text + lineEnd + lineEnd] {
            #expect(try dataset(text).samples.map(\.prompt) == [user("a\r\n"), user("b")])
        }
    }

    @Test("Bad input 23: lines far longer than the read buffer, and line breaks at every place relative to it")
    func longLines() throws {
        let long = String(repeating: "é1", count: 4 << 20)
        let rows = try dataset("{\"question\":\"\(long)\"}\n{\"question\":\"b\"}").samples
        #expect(rows.map(\.prompt) == [user(long), user("b")])
        for padding in (1 << 18) - 20...(1 << 18) + 3 {
            let text = "{\"question\":\"\(String(repeating: "x", count: padding))\"}\r\n{\"question\":\"b\"}\r\n"
            let samples = try dataset(text).samples
            #expect(samples.count == 2 && samples.last?.prompt == user("b"), "\(padding)")
        }
    }

    @Test("The prompt column may hold a conversation or text, as in TRL")
    func promptColumn() throws {
        let turns = #"[{"role":"system","content":"s"},{"role":"user","content":"u"}]"#
        let text =
            "{\"prompt\":\(turns),\"gold\":1,\"completion\":\"c\",\"completion_ids\":[1]}\n{\"prompt\":\"2+2=\"}\n"
        let conversation = [Message(role: "system", content: "s"), Message(role: "user", content: "u")]
        for mapping in [ColumnMapping(prompt: "prompt"), ColumnMapping()] {
            let samples = try dataset(text, mapping).samples
            #expect(samples.map(\.prompt) == [.messages(conversation), .text("2+2=")])
            #expect(samples.map(\.columns) == [["gold": 1.0], [:]])
        }
        let prompts = try dataset(text, ColumnMapping(prompt: "prompt", systemPrompt: "mine")).samples.map(\.prompt)
        let mine = [Message(role: "system", content: "mine"), Message(role: "user", content: "2+2=")]
        #expect(prompts == [.messages(conversation), .messages(mine)])
    }

    @Test(
        "A numeric answer stays a number, and rewards that compare text see what JSON would show",
        arguments: [
            ("42", "42"), ("0.5", "0.5"), ("-3.0", "-3"), ("9007199254740993", "9007199254740993"),
            ("100000000000000000000", "100000000000000000000"),
            ("-12345678901234567890123", "-12345678901234567890123"),
        ])
    func numericAnswer(json: String, text: String) throws {
        let mapping = ColumnMapping(answer: "gold")
        let sample = try #require(try dataset("{\"question\":\"q\",\"gold\":\(json)}", mapping).samples.first)
        #expect(sample.columns["answer"]?.answerText == text && sample.columns["answer"]?.string == nil)
    }

    @Test("An answer has its own type", arguments: ["true", "[1,2]", "null", #"{"a":1}"#])
    func answerTypes(json: String) throws {
        let mapping = ColumnMapping(answer: "answer")
        let row = try #require(try dataset("{\"question\":\"q\",\"answer\":\(json)}", mapping).samples.first)
        #expect(row.columns["answer"] == (try JSONValue(json: Array(json.utf8))))
    }

    @Test("Integers of any size stand in a row as they are written", arguments: ["data.jsonl", "data.json"])
    func bigIntegers(name: String) throws {
        let row = #"{"question":"q","id":12345678901234567890123,"list":[9007199254740993]}"#
        let sample = try #require(try dataset(name.hasSuffix("l") ? row : "[\(row)]", name: name).samples.first)
        #expect(sample.columns["id"]?.bigInteger == "12345678901234567890123")
        #expect(sample.columns["list"]?.array?.first?.bigInteger == "9007199254740993")
    }

    @Test("A JSON array gives the same rows as lines do")
    func array() throws {
        let rows = [#"{"question":"a","n":[1,{"x":null}]}"#, #"{"question":"b","n":true}"#]
        let lines = try dataset(rows.joined(separator: "\n"))
        #expect(lines.count == 2)
        for text in ["[\(rows.joined(separator: ","))]", "\u{FEFF}\r\n[ \(rows.joined(separator: "\n,\n"))\n]\n"] {
            #expect(try dataset(text, name: "DATA.JSON") == lines)
        }
    }

    @Test("A mapping is written with all its keys, and read with any of them")
    func mappingCoding() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let text = String(decoding: try encoder.encode(ColumnMapping()), as: UTF8.self)
        #expect(text == #"{"answer":null,"answer_extraction":"none","prompt":"question","system_prompt":null}"#)
        #expect(try JSONDecoder().decode(ColumnMapping.self, from: Data("{}".utf8)) == ColumnMapping())
        let decoded = try JSONDecoder().decode(ColumnMapping.self, from: encoder.encode(gsm8k))
        #expect(decoded == gsm8k)
    }
}
