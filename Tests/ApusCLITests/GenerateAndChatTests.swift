import Apus
import ApusTestSupport
import Foundation
import Testing

/// `apus generate` with many prompts, and `apus chat` on a pipe.
@Suite struct GenerateAndChatTests {
    private let folder: TemporaryFolder
    private let model = Fixture.url("base96-slips").path

    init() throws { folder = try TemporaryFolder() }

    private func path(_ name: String) -> String { folder.url.appending(path: name).path }

    private func generate(_ arguments: [String]) throws -> Program.Outcome {
        try Program.run(
            ["generate", "--model", model, "--precision", "bf16", "--max-new-tokens", "6", "--seed", "5"] + arguments)
    }

    private func rows(_ text: String) throws -> [[String: JSONValue]] {
        try text.split(separator: "\n").map { try JSONDecoder().decode([String: JSONValue].self, from: Data($0.utf8)) }
    }

    @Test func aFileOfPromptsBecomesLines() throws {
        let rows = [
            #"{"question": "1+1"}"#, #"{"prompt": "2+2"}"#,
            #"{"prompt": [{"role": "user", "content": "3+3"}], "answer": "6"}"#,
        ]
        let file = try folder.write(Data(rows.joined(separator: "\n").utf8), as: "in.jsonl")
        let outcome = try generate(["--prompts", file, "--n", "2"])
        try #require(outcome.status == 0, "\(outcome.errors)")
        let lines = try self.rows(outcome.output)
        #expect(lines.map { $0["prompt_index"]?.number } == [0, 0, 1, 1, 2, 2])
        #expect(lines.map { $0["sample"]?.number } == [0, 1, 0, 1, 0, 1])
        #expect(lines.map { $0["prompt"]?.string } == ["1+1", "1+1", "2+2", "2+2", "3+3", "3+3"])
        #expect(lines.allSatisfy { (1...6).contains($0["token_ids"]?.array?.count ?? 0) })
        #expect(lines.allSatisfy { ["stop", "length"].contains($0["finish_reason"]?.string ?? "") })
        // The same from a text file, into a file, on one thread.
        let text = try folder.write(Data("1+1\r\n\n2+2\n3+3\n".utf8), as: "in.txt")
        let again = try generate(["--prompts", text, "--n", "2", "--output", path("out.jsonl"), "--threads", "1"])
        #expect(again.status == 0 && again.output.isEmpty, "\(again.errors)")
        #expect(try String(contentsOfFile: path("out.jsonl"), encoding: .utf8) == outcome.output)
    }

    @Test func theFirstSampleIsTheOnlySample() throws {
        let one = try generate(["--prompt", "8*12=", "--json"])
        let several = try generate(["--prompt", "8*12=", "--json", "--n", "3"])
        try #require(one.status == 0 && several.status == 0, "\(several.errors)")
        let lines = try rows(several.output)
        #expect(lines.count == 3)
        #expect(try rows(one.output)[0]["token_ids"] == lines[0]["token_ids"])
        let plain = try generate(["--prompt", "8*12=", "--n", "2"])
        #expect(plain.output.hasPrefix("# 1 of 2\n") && plain.output.contains("\n# 2 of 2\n"))
    }

    @Test func badPromptFilesAreNamed() throws {
        let cases: [(String, String, String)] = [
            ("a.jsonl", #"{"text": "x"}"#, "a.jsonl:1: wanted column 'question'"),
            ("b.txt", "\n \n", "b.txt: wanted a prompt a line"),
            (
                "c.jsonl", "{\"prompt\": \"\(String(repeating: "1+", count: 200))\"}",
                "c.jsonl, row 1: wanted fewer than"
            ),
            ("d.xml", "x", "found .xml"),
        ]
        for (name, content, message) in cases {
            let file = try folder.write(Data(content.utf8), as: name)
            let outcome = try generate(["--prompts", file, "--output", path("out")])
            #expect(outcome.status == 2 && outcome.errors.contains(message), "\(outcome.errors)")
            #expect(!FileManager.default.fileExists(atPath: path("out")))
        }
        let taken = try folder.write(Data("old".utf8), as: "taken")
        let outcome = try generate(["--prompt", "1+1", "--output", taken])
        #expect(
            outcome.status == 2 && outcome.errors.contains("exists; give a new name, or --overwrite"),
            "\(outcome.errors)")
        let both = try generate(["--prompt", "1", "--prompts", taken])
        #expect(both.status == 2 && both.errors.contains("not both"), "\(both.errors)")
        let none = try generate([])
        #expect(none.status == 2 && none.errors.contains("give --prompt or --prompts"), "\(none.errors)")
    }

    @Test func aChatOnAPipeAnswersLineByLine() throws {
        let saved = path("talk.json")
        let input = "1+1\n\n/nonsense\n2+2\n/save \(saved)\n/reset\n1+1\n/exit\nnever\n"
        let arguments = [
            "chat", "--model", model, "--precision", "bf16", "--max-new-tokens", "5", "--temperature", "0",
        ]
        let outcome = try Program.run(arguments, input: input)
        try #require(outcome.status == 0, "\(outcome.errors)")
        #expect(!outcome.output.contains("> ") && !outcome.output.contains("\u{1B}"))
        let errors = outcome.errorLines
        #expect(errors.count == 3, "\(outcome.errors)")
        #expect(errors[0].hasPrefix("apus: '/nonsense' is no command"))
        #expect(errors[1] == "apus: saved 4 messages to \(saved)")
        let messages = try JSONDecoder().decode([Message].self, from: Data(contentsOf: URL(filePath: saved)))
        #expect(messages.map(\.role) == ["user", "assistant", "user", "assistant"])
        #expect(messages[0].content == "1+1" && messages[2].content == "2+2")
        // After the reset the same question gets the same greedy answer, and after /exit nothing is answered.
        let answers = [messages[1].content, messages[3].content, messages[1].content]
        #expect(outcome.output == answers.map { $0 + "\n" }.joined())
    }

    @Test func aLongChatForgetsItsBeginning() throws {
        let input = (1...6).map { String(repeating: "1", count: 60) + "+\($0)\n" }.joined()
        let outcome = try Program.run(
            ["chat", "--model", model, "--precision", "bf16", "--max-new-tokens", "20"], input: input)
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.errors.contains("apus: the conversation is too long for the model: its oldest "))
    }

    @Test func aChatNeedsATemplate() throws {
        let copy = path("model")
        try FileManager.default.copyItem(atPath: model, toPath: copy)
        try Data(#"{"eos_token": "<|end|>"}"#.utf8).write(to: URL(filePath: copy + "/tokenizer_config.json"))
        let outcome = try Program.run(["chat", "--model", copy], input: "hello\n")
        #expect(outcome.status == 2 && outcome.errors.contains("no chat template; use apus generate --raw"))
    }
}
