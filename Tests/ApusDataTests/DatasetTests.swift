import ApusData
import ApusFormats
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
        #expect(sample.columns["list"]?.array?.first?.integer == 9_007_199_254_740_993)
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

    @Test("Objects keep the order of their keys, and 1 and 1.0 stay apart", arguments: ["data.jsonl", "data.json"])
    func types(name: String) throws {
        let tests = #"{"z": 1, "a": 1.0, "m": [null, {"y": true, "b": 1e3}]}"#
        let row = "{\"question\": \"q\", \"tests\": \(tests)}"
        let sample = try #require(try dataset(name.hasSuffix("l") ? row : "[\(row)]", name: name).samples.first)
        #expect(JSONWriter().write(try #require(sample.columns["tests"])) == tests.replacing("1e3", with: "1000.0"))
    }

    @Test("A prompt is enough; where other rows have an answer, one without it is missed by its line")
    func answersOrNone() throws {
        let without = #"{"prompt":"a"}"# + "\n"
        #expect(try dataset(without + without).samples.map(\.columns) == [[:], [:]])
        let with = #"{"prompt":"a","answer":null}"# + "\n"
        #expect(try dataset(with + with).samples.map(\.columns) == [["answer": .null], ["answer": .null]])
        for (text, line) in [(with + without + without, 2), (without + with, 1)] {
            let error = #expect(throws: DataError.self) { try dataset(text) }
            #expect(error?.code == .missingColumn && error?.line == line)
        }
        let named = #expect(throws: DataError.self) { try dataset(without, ColumnMapping(answer: "answer")) }
        #expect(named?.code == .missingColumn)
    }

    @Test("A message keeps its keys, but for those that are null, and content of parts")
    func messageKeys() throws {
        let text =
            #"{"prompt":[{"role":"user","content":[{"type":"text","text":"a"}],"name":null},{"role":"assistant","#
            + #""content":null,"tool_calls":[{"function":{"name":"f","arguments":{"z":1,"a":2}}}]},"#
            + #"{"role":"tool","tool_call_id":"1","content":"3"}]}"#
        guard case .messages(let messages) = try dataset(text).samples.first?.prompt else {
            Issue.record("wanted a conversation")
            return
        }
        #expect(
            messages.map { $0.fields.map(\.key) } == [
                ["role", "content"], ["role", "tool_calls"], ["role", "tool_call_id", "content"],
            ])
        #expect(messages.map(\.content) == ["a", "", "3"])
        #expect(JSONWriter().write(messages[1].json).hasSuffix(#""arguments": {"z": 1, "a": 2}}}]}"#))
    }

    @Test("Tools, text and chat_template_kwargs of a row reach the template, each over what all rows have")
    func templateVariables() throws {
        let rows = [
            #"{"prompt":"a","tools":[{"name":"f"}],"effort":"low","messages":"m","n":1}"#,
            #"{"prompt":"a","tools":"[{\"name\": \"f\"}]","chat_template_kwargs":{"effort":"high","think":false}}"#,
            #"{"prompt":"a","tools":[],"chat_template_kwargs":null}"#,
        ]
        let mapping = ColumnMapping(templateArguments: ["effort": "none", "think": true])
        let variables = try dataset(rows.joined(separator: "\n"), mapping).samples.map(\.templateVariables)
        #expect(variables[0] == ["effort": "low", "think": true, "tools": [["name": "f"]]])
        #expect(variables[1] == ["effort": "high", "think": false, "tools": [["name": "f"]]])
        #expect(variables[2] == ["effort": "none", "think": true])
    }
}
