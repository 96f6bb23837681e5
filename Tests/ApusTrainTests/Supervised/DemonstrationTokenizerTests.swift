import ApusData
import ApusTestSupport
import ApusText
import Foundation
import Testing

@testable import ApusTrain

/// With the demo's tokenizer: `<|user|>question<|assistant|>answer<|end|>`.
@Suite struct DemonstrationTokenizerTests {
    private static let start = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Recipes/demo/start")

    private let tokenizer: Tokenizer
    private let end: Int32 = 0

    init() throws {
        tokenizer = try Tokenizer(directory: Self.start)
    }

    private func example(
        _ demonstration: Demonstration, _ change: (inout SFTConfiguration) -> Void = { _ in }
    ) throws -> TrainingExample {
        var configuration = SFTConfiguration()
        change(&configuration)
        return try DemonstrationTokenizer(tokenizer, endTokens: [end], configuration: configuration)
            .example(demonstration, number: 1)
    }

    private func text(_ tokens: [Int32]) -> String { tokenizer.decode(tokens, skipSpecialTokens: false) }
    private func learnt(_ example: TrainingExample) -> String {
        text(zip(example.completion, example.isLearnt).filter(\.1).map(\.0))
    }

    private let turns = [
        Message(role: "user", content: "2+2?"), Message(role: "assistant", content: "4"),
        Message(role: "user", content: "5+5?"), Message(role: "assistant", content: "10"),
    ]

    @Test func thePromptIsWhatSamplingSees() throws {
        let example = try example(.conversation(Array(turns[..<2]), promptCount: 1))
        #expect(example.prompt == (try tokenizer.encodeChat([turns[0]], addGenerationPrompt: true)))
        #expect(text(example.completion) == "4<|end|>")
        #expect(example.isLearnt.allSatisfy { $0 })
    }

    @Test func textGetsItsEnd() throws {
        let example = try example(.continuation(prompt: "2+2=", completion: "4"))
        #expect(text(example.prompt) == "2+2=")
        #expect(text(example.completion) == "4<|end|>")
        let ended = try self.example(.continuation(prompt: "2+2=", completion: "4<|end|>"))
        #expect(ended == example)
        // An end within the text is none at its end.
        let quoting = try self.example(.continuation(prompt: "2+2=", completion: "<|end|>4"))
        #expect(text(quoting.completion) == "<|end|>4<|end|>")
        let spaced = try self.example(.text("2+2=4<|end|> "))
        #expect(text(spaced.prompt + spaced.completion) == "2+2=4<|end|> <|end|>")
    }

    @Test("Bad input 21: text that brings along the token that begins every text gets one")
    func repeatedBeginning() throws {
        let tokenizer = DemonstrationTokenizer(
            try Tokenizer(directory: Fixture.url("text/llama3")), endTokens: [1], configuration: SFTConfiguration())
        for make in [Demonstration.text, { .continuation(prompt: $0, completion: "2") }] {
            let plain = try tokenizer.example(make("1+1="), number: 1)
            let repeated = try tokenizer.example(make("<|begin_of_text|>1+1="), number: 1)
            #expect(repeated == plain && plain.prompt.first == 0)
            #expect(tokenizer.remarks(on: make("1+1="), number: 1).isEmpty)
            let warning = tokenizer.remarks(on: make("<|begin_of_text|>1+1="), number: 4).first
            #expect(warning?.description.hasPrefix("example 4 of the data set begins with <|begin_of_text|>") == true)
        }
    }

    @Test func promptsAreLearntWhenAsked() throws {
        let example = try example(.continuation(prompt: "2+2=", completion: "4")) { $0.completionOnlyLoss = false }
        #expect(example.prompt.count == 1)
        #expect(text(example.prompt + example.completion) == "2+2=4<|end|>")
        #expect(example.isLearnt.allSatisfy { $0 })
    }

    @Test func aDialogueIsLearntWhole() throws {
        let example = try example(.dialogue(turns))
        #expect(text(example.prompt) == "<|user|>")
        #expect(learnt(example) == "2+2?<|assistant|>4<|end|><|user|>5+5?<|assistant|>10<|end|>")
    }

    @Test func theAssistantsTurnsAlone() throws {
        for demonstration in [Demonstration.dialogue(turns), .conversation(turns, promptCount: 3)] {
            let example = try example(demonstration) { $0.assistantOnlyLoss = true }
            #expect(text(example.prompt) == "<|user|>2+2?<|assistant|>")
            #expect(text(example.completion) == "4<|end|><|user|>5+5?<|assistant|>10<|end|>")
            #expect(learnt(example) == "4<|end|>10<|end|>")
        }
    }

    @Test func whatTheTemplateMarksIsLearntAlone() throws {
        let template =
            "{% for m in messages %}{% if m.role == 'user' %}<|user|>{{ m.content }}{% else %}<|assistant|>"
            + "{% generation %}{{ m.content }}<|end|>{% endgeneration %}{% endif %}{% endfor %}"
        let example = try markedExample(template)
        #expect(text(example.prompt) == "<|user|>2+2?<|assistant|>")
        #expect(learnt(example) == "4<|end|>10<|end|>")
        #expect(throws: TrainingError.self) {
            try markedExample("{% macro m() %}{% generation %}x{% endgeneration %}{% endmacro %}{{ m() }}")
        }
    }

    /// A vocabulary of characters marks the beginning of a text, and a completion is none.
    @Test func aCompletionIsNoBeginningOfAText() throws {
        let characters = try Tokenizer(directory: Fixture.url("text/llama2"))
        let example = try DemonstrationTokenizer(characters, endTokens: [], configuration: SFTConfiguration())
            .example(.continuation(prompt: "the sum of", completion: " two and two"), number: 1)
        let whole = characters.encodePrompt("the sum of two and two")
        #expect(whole.starts(with: example.prompt + example.completion.prefix(3)))
        #expect(example.prompt == characters.encodePrompt("the sum of"))
    }

    private func markedExample(_ template: String) throws -> TrainingExample {
        let folder = try TemporaryFolder()
        for name in ["tokenizer.json", "tokenizer_config.json"] {
            try FileManager.default.copyItem(
                at: Self.start.appending(path: name), to: folder.url.appending(path: name))
        }
        try Data(template.utf8).write(to: folder.url.appending(path: "chat_template.jinja"))
        var configuration = SFTConfiguration()
        configuration.assistantOnlyLoss = true
        return try DemonstrationTokenizer(
            try Tokenizer(directory: folder.url), endTokens: [end], configuration: configuration
        ).example(.dialogue(turns), number: 1)
    }

    @Test func settingsThatDoNotFitTheDataAreErrors() {
        for (demonstration, isAssistantOnly) in [
            (Demonstration.text("a b"), true), (.text("a b"), false), (.dialogue(turns), false),
        ] {
            #expect(throws: TrainingError.self) {
                try example(demonstration) {
                    $0.assistantOnlyLoss = isAssistantOnly
                    $0.completionOnlyLoss = isAssistantOnly ? nil : true
                }
            }
        }
        #expect(throws: TrainingError.self) {
            try example(.dialogue([turns[0]])) { $0.assistantOnlyLoss = true }
        }
    }
}
