import ApusTestSupport
import ApusText
import Foundation
import Testing

/// What Transformers makes of conversations whose template adds what the tokenizer adds too; see bos_golden.py.
private struct BeginningGolden: Decodable {
    struct Turn: Decodable {
        var role: String
        var content: String
    }

    var name: String
    var template: String
    var messages: [Turn]
    var text: String
    var chat: [Int32]
    var without: [Int32]
    var with: [Int32]
}

@Suite struct BeginningTests {
    private let cases: [BeginningGolden]

    init() throws {
        cases = try Fixture.json("text/bos.json")
        #expect(cases.count == 4)
    }

    /// The tokenizer of a case, from a folder and from a GGUF file's vocabulary.
    private func tokenizers(_ golden: BeginningGolden, _ body: (Tokenizer) throws -> Void) throws {
        try withTemporaryDirectory { directory in
            try Fixture.data("text/llama3/tokenizer.json").write(to: directory.appending(path: "tokenizer.json"))
            let roles = ["bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>", "chat_template": golden.template]
            try JSONEncoder().encode(roles).write(to: directory.appending(path: "tokenizer_config.json"))
            let tokenizer = try Tokenizer(directory: directory)
            try body(tokenizer)
            var vocabulary = try tokenizer.ggufVocabulary(size: tokenizer.vocabularySize)
            vocabulary.addsBOS = true
            try body(Tokenizer(vocabulary: vocabulary))
        }
    }

    @Test("Bad input 21: a conversation has the token that begins a text as often as its template writes it")
    func conversations() throws {
        for golden in cases {
            let messages = golden.messages.map { Message(role: $0.role, content: $0.content) }
            try tokenizers(golden) { tokenizer in
                let text = try tokenizer.renderChat(messages, addGenerationPrompt: true)
                let tokens = try tokenizer.encodeChat(messages, addGenerationPrompt: true)
                #expect(text == golden.text && tokens == golden.chat, "\(golden.name)")
            }
        }
    }

    @Test("Bad input 21: text that has been through the template gets no second beginning, other text gets its first")
    func renderedText() throws {
        for golden in cases {
            let isRepeated = golden.with.starts(with: [0, 0])
            #expect(isRepeated == (golden.name == "template adds it"))
            try tokenizers(golden) { tokenizer in
                #expect(tokenizer.encode(golden.text) == golden.with)
                #expect(tokenizer.encodePrompt(golden.text) == (isRepeated ? golden.without : golden.with))
                let repeated = tokenizer.repeatedBeginning(of: golden.text, named: "prompt 1")
                #expect((repeated != nil) == isRepeated)
                guard let repeated else { return }
                #expect(repeated.description.hasPrefix("prompt 1 begins with <|begin_of_text|>, which the tokenizer"))
            }
        }
    }

    @Test("Bad input 21: a tokenizer that adds nothing changes no text")
    func otherTokenizers() throws {
        let tokenizer = try Tokenizer(directory: Fixture.url("base96-slips"))
        for text in ["<|user|>1+1<|assistant|>", "<|end|><|end|>1", "", "1"] {
            #expect(tokenizer.encodePrompt(text) == tokenizer.encode(text))
            #expect(tokenizer.repeatedBeginning(of: text, named: "text") == nil)
        }
    }
}
