import ApusTestSupport
import Foundation
import Testing

/// `apus tokenize` shows what a model sees of a text.
@Suite struct TokenizeTests {
    private static let model = Fixture.url("base96-slips").path

    private func json(_ arguments: [String]) throws -> [String: Any] {
        let outcome = try Program.run(["tokenize", Self.model, "--json"] + arguments)
        #expect(outcome.status == 0, "\(outcome.errors)")
        return try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    }

    @Test func aPromptGoesThroughTheTemplate() throws {
        let found = try json(["--prompt", "2+2?"])
        #expect(found["text"] as? String == "<|user|>2+2?<|assistant|>")
        let tokens = try #require(found["tokens"] as? [[String: Any]])
        #expect(found["token_ids"] as? [Int] == tokens.compactMap { $0["id"] as? Int })
        #expect(tokens.first?["piece"] as? String == "<|user|>" && tokens.first?["special"] as? Bool == true)
        #expect(tokens[1]["text"] as? String == "2" && tokens[1]["bytes"] as? String == "32")
        #expect(tokens[1]["special"] as? Bool == false)
        let raw = try json(["--raw", "--prompt", "2+2?"])
        #expect(raw["text"] as? String == "2+2?")
    }

    @Test func tokensBecomeTextAgain() throws {
        let ids = try #require(try json(["--raw", "--prompt", "a\nb"])["token_ids"] as? [Int])
        let list = ids.map(String.init).joined(separator: ", ")
        #expect(try Program.run(["tokenize", Self.model, "--decode", "[\(list)]"]).output == "a\nb\n")
        #expect(try json(["--decode", list])["token_ids"] as? [Int] == ids)
    }

    @Test func aFileIsShownAsATable() throws {
        let folder = try TemporaryFolder()
        let file = folder.url.appending(path: "text.txt")
        try Data("1+1\n".utf8).write(to: file)
        let outcome = try Program.run(["tokenize", Self.model, "--raw", "--file", file.path])
        let lines = outcome.output.split(separator: "\n")
        #expect(lines.first == "4 tokens of 4 bytes, without the chat template", "\(outcome.output)")
        #expect(lines.count == 6 && lines.last?.hasPrefix("\"\\n\"") == true, "\(outcome.output)")
    }

    @Test func whatCannotBeShownIsSaid() throws {
        for (arguments, words) in [
            (["--decode", "999999"], "found '999999'"), (["--decode", "x"], "found 'x'"),
            (["--file", "/no/such/file"], "/no/such/file"), ([], "--prompt, --file and --decode"),
            (["--prompt", "a", "--decode", "1"], "--prompt, --file and --decode"),
            (["--raw", "--decode", "1"], "--decode takes tokens"),
        ] {
            let outcome = try Program.run(["tokenize", Self.model] + arguments)
            #expect(outcome.status != 0 && outcome.errors.contains(words), "\(arguments): \(outcome.errors)")
        }
    }
}
