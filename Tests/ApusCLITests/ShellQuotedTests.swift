import Foundation
import Testing

@testable import ApusCLI

/// Words of commands that users copy into a shell.
@Suite struct ShellQuotedTests {
    @Test(arguments: [
        ("outputs/demo/checkpoint-40", "outputs/demo/checkpoint-40"), ("my models/a.gguf", "'my models/a.gguf'"),
        ("it's", #"'it'\''s'"#), ("$HOME", "'$HOME'"), ("`id`", "'`id`'"), ("a;b", "'a;b'"), ("~/a", "'~/a'"),
        ("", "''"),
    ]) func whatAShellReadsOtherwiseIsQuoted(word: String, quoted: String) {
        #expect(word.shellQuoted == quoted)
    }

    @Test(arguments: [
        "plain", "two words", "it's \"both\"", "$HOME $(id) `id`", "a\\b\\", "line\nbreak\ttab", "*?[a]{b,c}",
        "!#&|;<>()", "~", "ünï 漢字", "''", "-",
    ]) func aShellReadsTheWordBack(word: String) throws {
        let outcome = try Program.run(
            ["-c", "printf %s \(word.shellQuoted)"], executable: URL(filePath: "/bin/sh"))
        #expect(outcome.status == 0 && outcome.output == word, "\(outcome.errors)")
    }
}
