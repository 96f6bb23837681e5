import ApusText
import Foundation
import Testing

@testable import ApusData

@Suite("Rows become prompts and answers as a mapping says")
struct ColumnMappingTests {
    private func dataset(_ mapping: ColumnMapping, _ rows: [JSONValue]) throws -> Dataset {
        try Dataset(RowSource(rows: rows), mapping: mapping)
    }

    private func refusal(_ mapping: ColumnMapping, _ rows: [JSONValue]) -> DataError? {
        #expect(throws: DataError.self) { try dataset(mapping, rows) }
    }

    private func user(_ text: String) -> Prompt { .messages([Message(role: "user", content: text)]) }

    @Test("A template makes the user's message, another the answer")
    func templates() throws {
        var mapping = ColumnMapping(systemPrompt: "Think.")
        mapping.promptTemplate = try RowTemplate(
            "{{ question }}\n{% for option in options %}{{ 'ABCD'[loop.index0] }}. {{ option }}\n{% endfor %}")
        mapping.answerTemplate = try RowTemplate("{{ 'ABCD'[answer] }}", key: "answer_template")
        let samples = try dataset(mapping, [["question": "2+2?", "options": ["3", "4"], "answer": 1]]).samples
        let wanted = [
            Message(role: "system", content: "Think."), Message(role: "user", content: "2+2?\nA. 3\nB. 4\n"),
        ]
        #expect(samples.map(\.prompt) == [.messages(wanted)])
        #expect(samples[0].columns["answer"] == "B" && samples[0].columns["question"] == "2+2?")
    }

    @Test("A column that a template wants and the row lacks is an error, unless the template asks for it")
    func missingColumns() throws {
        var mapping = ColumnMapping()
        mapping.promptTemplate = try RowTemplate("{{ questoin }}")
        let error = refusal(mapping, [["question": "q"]])
        #expect(
            error?.description
                == "rows:1: prompt_template wants column 'questoin', found question; use a column's own name")
        for source in [
            "{{ hint if hint is defined else 'none' }}", "{{ hint | default('none') }}",
            "{% set hint = 'none' %}{{ hint }}",
            "{% for hint in ['none'] %}{{ hint }}{% endfor %}", "{{ ['none'][range(1)[0]] }}",
        ] {
            mapping.promptTemplate = try RowTemplate(source)
            #expect(try dataset(mapping, [["question": "q"]]).samples.map(\.prompt) == [user("none")], "\(source)")
        }
    }

    @Test("A template that fails, runs long or is none names its setting")
    func failingTemplates() throws {
        var mapping = ColumnMapping()
        mapping.promptTemplate = try RowTemplate("{{ question.nothing.at_all }}")
        #expect(refusal(mapping, [["question": "q"]])?.code == .invalidTemplate)
        mapping.promptTemplate = try RowTemplate("{% for a in range(100000) %}{{ 'x' * 1000 }}{% endfor %}")
        #expect(refusal(mapping, [["question": "q"]])?.message.contains("prompt_template: ") == true)
        for source in ["{{ a", "{% if %}", "{% include 'a' %}"] {
            let error = #expect(throws: DataError.self) { try RowTemplate(source) }
            #expect(error?.file == "prompt_template" && error?.description.contains("\n") == false)
        }
    }

    @Test("Rows stay for which the filter holds, and how many is said")
    func filter() throws {
        var mapping = ColumnMapping()
        mapping.rowFilter = try RowTemplate(condition: "level >= 4 and 'proof' not in question")
        let rows: [JSONValue] = [
            ["question": "a", "level": 5], ["question": "a proof", "level": 5], ["question": "b", "level": 3],
            ["question": "c", "level": 4.0],
        ]
        let kept = try dataset(mapping, rows)
        #expect(kept.samples.map(\.prompt) == [user("a"), user("c")])
        #expect(kept.notices == ["row_filter keeps 2 of 4 rows of rows"])
        mapping.rowFilter = try RowTemplate(condition: "level > 9")
        #expect(
            refusal(mapping, rows)?.message == "0 rows are left of 4: row_filter 'level > 9' holds for none of them")
        mapping.rowFilter = try RowTemplate(condition: "levle > 9")
        #expect(refusal(mapping, rows)?.code == .missingColumn)
    }

    @Test("Answers are cut out of solutions; a solution without one is named")
    func extraction() throws {
        for (extraction, text, answer) in [
            (.boxed, "so $\\boxed{1}$ or \\boxed{\\frac{1}{2}}.", "\\frac{1}{2}"),
            (.lastNumber, "It was 7, then 1,004.", "1,004"), (.afterHashes, "x #### 5 ", "5"), (.none, "5 ", "5 "),
        ] as [(ColumnMapping.AnswerExtraction, String, String)] {
            let mapping = ColumnMapping(answer: "solution", answerExtraction: extraction)
            let samples = try dataset(mapping, [["question": "q", "solution": .string(text)]]).samples
            #expect(samples[0].columns["answer"] == .string(answer))
        }
        let mapping = ColumnMapping(answer: "solution", answerExtraction: .boxed)
        let error = refusal(mapping, [["question": "q", "solution": "none"]])
        #expect(error?.message.contains("wanted \\boxed{…} in column 'solution'") == true)
    }

    static let turns: JSONValue = [
        ["role": "user", "content": "a"], ["role": "assistant", "content": "b"], ["role": "user", "content": "c"],
        ["role": "assistant", "content": "d"],
    ]
    static let shareGPT: JSONValue = [
        ["from": "human", "value": "a"], ["from": "gpt", "value": "b"], ["from": "human", "value": "c"],
        ["from": "gpt", "value": "d"],
    ]
    static let asked = [
        Message(role: "user", content: "a"), Message(role: "assistant", content: "b"),
        Message(role: "user", content: "c"),
    ]

    @Test("Of a conversation the prompt is what comes before the assistant's last turn, and that is said")
    func conversations() throws {
        for (column, turns) in [("messages", Self.turns), ("conversations", Self.shareGPT)] {
            let found = try dataset(ColumnMapping(), [[column: turns, "id": 1]] as [JSONValue])
            #expect(found.samples.map(\.prompt) == [.messages(Self.asked)])
            #expect(found.notices.count == 1 && found.notices[0].contains("'\(column)'"))
        }
    }

    @Test("A column that is named wins over a conversation, as NuminaMath wants it")
    func namedColumn() throws {
        let row: JSONValue = ["problem": "p", "solution": "s", "messages": Self.turns]
        let found = try dataset(ColumnMapping(prompt: "problem"), [row])
        #expect(found.samples.map(\.prompt) == [user("p")] && found.notices.isEmpty)
        let other = try dataset(ColumnMapping(), [["question": "q", "messages": Self.turns]])
        #expect(other.samples.map(\.prompt) == [user("q")])
        #expect(refusal(ColumnMapping(prompt: "nothing"), [row])?.code == .missingColumn)
    }

    @Test("ShareGPT's system message may stand in a column beside; a speaker that nobody knows is named")
    func speakers() throws {
        let row: JSONValue = ["system": "Be brief.", "conversations": Self.shareGPT]
        let samples = try dataset(ColumnMapping(), [row]).samples
        #expect(samples.map(\.prompt) == [.messages([Message(role: "system", content: "Be brief.")] + Self.asked)])
        let error = refusal(ColumnMapping(), [["conversations": [["from": "alien", "value": "x"]]]])
        #expect(error?.message.contains("found 'alien'") == true)
    }

    private func demonstrations(_ row: JSONValue) throws -> (demonstrations: [Demonstration], notices: [String]) {
        try DemonstrationMapping().demonstrations(RowSource(rows: [row]))
    }

    @Test("Whole conversations are learnt, of preferences the chosen one")
    func demonstrations() throws {
        let whole = Self.asked + [Message(role: "assistant", content: "d")]
        #expect(try demonstrations(["conversations": Self.shareGPT]).demonstrations == [.dialogue(whole)])
        #expect(try demonstrations(["messages": Self.turns]).notices.isEmpty)
        let chosen = try demonstrations(["chosen": Self.turns, "rejected": []])
        #expect(chosen.demonstrations == [.dialogue(whole)] && chosen.notices.count == 1)
        let question: JSONValue = ["role": "user", "content": "a"]
        let answer: JSONValue = ["role": "assistant", "content": "b"]
        let pair = Demonstration.conversation(Array(whole.prefix(2)), promptCount: 1)
        // With the prompt repeated in it, and without.
        for chosen in [[question, answer], [answer]] as [JSONValue] {
            #expect(try demonstrations(["prompt": [question], "chosen": chosen]).demonstrations == [pair])
        }
        #expect(
            try demonstrations(["prompt": "2+2=", "chosen": "4", "rejected": "5"]).demonstrations
                == [.continuation(prompt: "2+2=", completion: "4")])
    }

    @Test("A closure makes samples of rows, and leaves rows out")
    func closure() throws {
        let source = RowSource(rows: [["q": "a", "n": 1], ["q": "b", "n": 2]], name: "mine")
        let dataset = try Dataset(source) { row in
            row["n"] == 1 ? nil : Sample(prompt: .text(row["q"]?.string ?? ""), columns: ["answer": row["n"] ?? .null])
        }
        #expect(dataset.samples == [Sample(prompt: .text("b"), columns: ["answer": 2])])
        let none = #expect(throws: DataError.self) { try Dataset(source) { _ in nil } }
        #expect(none?.code == .empty)
        struct Refusal: Error, CustomStringConvertible { let description = "no\nway" }
        let error = #expect(throws: DataError.self) { try Dataset(source) { _ in throw Refusal() } }
        #expect(error?.description == "mine:1: no way")
    }

    @Test("A mixture with fractions takes the first rows of each, as many as make these its shares")
    func mixture() throws {
        func source(_ name: String, _ count: Int) -> RowSource {
            RowSource(rows: (0..<count).map { ["n": .string("\(name)\($0)")] }, name: name)
        }
        func names(_ sources: [(source: RowSource, fraction: Double?)]) throws -> [String?] {
            try Dataset.rows(of: RowSource(mixing: sources)).map { $0["n"]?.string }
        }
        #expect(try names([(source("a", 2), nil), (source("b", 1), nil)]) == ["a0", "a1", "b0"])
        // 10 and 4 rows as 1 : 1 are 4 of each; as 3 : 1 they are 10 and 3.
        #expect(try names([(source("a", 10), 0.5), (source("b", 4), 0.5)]).count == 8)
        let shares = try names([(source("a", 10), 3), (source("b", 4), 1)])
        #expect(shares.count { $0?.hasPrefix("a") == true } == 10 && shares.count == 13)
        #expect(throws: DataError.self) { try names([(source("a", 10), 1), (source("b", 4), nil)]) }
    }
}
