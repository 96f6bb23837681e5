import ApusText
import Foundation
import Testing

@testable import ApusData

@Suite struct DemonstrationTests {
    private func read(_ text: String, _ mapping: DemonstrationMapping = DemonstrationMapping()) throws
        -> [Demonstration]
    {
        try withFile("data.jsonl", text.utf8) { try mapping.demonstrations(RowSource(path: $0)).demonstrations }
    }

    @Test func textIsContinued() throws {
        #expect(
            try read(#"{"prompt": "2+2=", "completion": "4"}"#) == [.continuation(prompt: "2+2=", completion: "4")])
    }

    @Test func aColumnOfAnotherNameIsAUsersMessage() throws {
        let mapping = DemonstrationMapping(
            prompt: ColumnMapping(prompt: "question", systemPrompt: "Be brief."), completion: "reply")
        let messages = [
            Message(role: "system", content: "Be brief."), Message(role: "user", content: "2+2?"),
            Message(role: "assistant", content: "4"),
        ]
        #expect(
            try read(#"{"question": "2+2?", "reply": "4"}"#, mapping) == [.conversation(messages, promptCount: 2)])
    }

    @Test func messagesOnBothSides() throws {
        let row = """
            {"prompt": [{"role": "user", "content": "a"}], "completion": [{"role": "assistant", "content": "b"}]}
            """
        let messages = [Message(role: "user", content: "a"), Message(role: "assistant", content: "b")]
        #expect(try read(row) == [.conversation(messages, promptCount: 1)])
    }

    @Test func wholeConversationsAndPlainText() throws {
        let rows = """
            {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
            {"text": "once upon a time"}
            """
        let messages = [Message(role: "user", content: "a"), Message(role: "assistant", content: "b")]
        #expect(try read(rows) == [.dialogue(messages), .text("once upon a time")])
    }

    @Test(
        "Bad input 23: rows that are no demonstration name file, line and columns",
        arguments: [
            (#"{"question": "a"}"#, "found question"), (#"{"prompt": "a", "completion": 7}"#, "found a number"),
            (#"{"prompt": [{"role": "user", "content": "a"}], "completion": []}"#, "at least one message"),
            (#"{"text": ""}"#, "empty string"),
            (#"{"completion": "a"}"#, "wanted column 'prompt'"),
            (#"{"prompt": "a", "completion": [{"role": "assistant", "content": "b"}]}"#, "both as text"),
        ])
    func rowsThatAreNoDemonstration(row: String, message: String) {
        let error = #expect(throws: DataError.self) { try read(#"{"text": "fine"}"# + "\n" + row) }
        #expect(error?.line == 2)
        #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
    }

    @Test("Bad input 22: an empty file") func emptyFile() {
        #expect(throws: DataError.self) { try read("\n\n") }
    }
}
