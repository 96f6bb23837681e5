import ApusTestSupport
import Foundation
import Testing

@testable import ApusText

@Suite struct ConversationTests {
    private static let goldens = Result { try JSONValue(json: Fixture.data("text/conversations.json")) }

    /// A tokenizer with a chat template.
    private func withTokenizer(_ template: String, _ body: (Tokenizer) throws -> Void) throws {
        try withTemporaryDirectory { directory in
            try Fixture.data("text/llama3/tokenizer.json").write(to: directory.appending(path: "tokenizer.json"))
            let roles = ["bos_token": "<s>", "eos_token": "</s>", "chat_template": template]
            try JSONEncoder().encode(roles).write(to: directory.appending(path: "tokenizer_config.json"))
            try body(Tokenizer(directory: directory))
        }
    }

    @Test("Tools, reasoning, parts, variables and continued turns are rendered as transformers renders them")
    func goldens() throws {
        let cases = try #require(try Self.goldens.get().array)
        #expect(cases.count >= 24)
        for value in cases {
            let messages = try #require(value["messages"]?.array).map { Message(fields: $0.members ?? []) }
            try withTokenizer(try #require(value["template"]?.string)) { tokenizer in
                let variables = value["variables"]?.object ?? [:]
                let text = try tokenizer.renderPrompt(messages, variables: variables)
                #expect(text == value["text"]?.string, "\(messages)")
                #expect(
                    try tokenizer.encodePrompt(messages, variables: variables)
                        == tokenizer.encode(text, addSpecialTokens: false))
            }
        }
    }

    @Test("Parts become text where the template reads text alone")
    func parts() throws {
        let parts: JSONValue = [["type": "text", "text": "one"], "two"]
        let message = Message(fields: [.init(key: "role", value: "user"), .init(key: "content", value: parts)])
        #expect(message.content == "one\ntwo")
        try withTokenizer("{% for m in messages %}{{ '<' + m.content + '>' }}{% endfor %}") { tokenizer in
            let text = try tokenizer.renderChat([message], addGenerationPrompt: false)
            #expect(text == "<one\ntwo>")
        }
    }

    @Test("A key that the template does not show is named, and one that it shows is not")
    func keysWithoutEffect() throws {
        let source = "{% for m in messages %}{{ m.content }}{% if m.tool_calls %}!{% endif %}{% endfor %}"
        try withTokenizer(source) { tokenizer in
            var message = Message(role: "assistant", content: "a")
            message["tool_calls"] = [["function": ["name": "f"]]]
            message["name"] = "n"
            message["reasoning_content"] = "because"
            let answer = Message(role: "user", content: "b")
            #expect(tokenizer.keysWithoutEffect(in: [message, answer]) == ["name", "reasoning_content"])
            #expect(tokenizer.keysWithoutEffect(in: [answer]).isEmpty)
            #expect(tokenizer.templateReads("messages") && !tokenizer.templateReads("reasoning_effort"))
        }
    }

    @Test("A turn of the assistant that the template does not show cannot be continued")
    func notContinued() throws {
        try withTokenizer("{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}") { tokenizer in
            let messages = [Message(role: "user", content: "a"), Message(role: "assistant", content: "b")]
            let error = #expect(throws: TextError.self) { try tokenizer.renderPrompt(messages) }
            #expect(error?.message.contains("end with a user's turn") == true)
        }
    }

    @Test("Fields of a message are read and changed in their places")
    func fields() {
        var message = Message(role: "user", content: "a")
        message["name"] = "n"
        message.content = "b"
        message.role = "tool"
        #expect(message.fields.map(\.key) == ["role", "content", "name"])
        #expect(message.role == "tool" && message.content == "b" && message["name"] == "n")
        message["name"] = nil
        #expect(message == Message(role: "tool", content: "b"))
        #expect(Message(fields: []).role.isEmpty && Message(fields: []).content.isEmpty)
    }
}
