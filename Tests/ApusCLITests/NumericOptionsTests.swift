import Apus
import ApusTestSupport
import Foundation
import Testing

@testable import ApusCLI

/// Every option that is a number, of the commands that have options of their own, at the numbers where arithmetic breaks: it is
/// refused with one line, or the command does its work.
@Suite struct NumericOptionsTests {
    private static let sampling = [
        "max-new-tokens", "temperature", "top-k", "top-p", "min-p", "repetition-penalty", "seed",
    ]

    /// The numeric options of each command.
    private static let options: [String: [String]] = [
        "generate": sampling + ["n", "memory-utilization", "threads"],
        "chat": sampling + ["memory-utilization", "threads"],
        "score": ["threads"],
        "eval": ["temperature", "n", "top-p", "max-new-tokens", "seed", "limit", "threads"],
        "bench": ["batch", "tokens", "steps", "threads"],
        "demo": ["seed", "steps", "threads"],
        "export": [], "doctor": [], "plan": [],
    ]

    /// What other options are called, whichever command has them.
    private static let textOptions: Set = [
        "model", "adapter", "precision", "prompt", "prompts", "prompt-column", "answer-column", "answer-extraction",
        "system", "system-prompt", "dataset", "completion", "output", "output-dir", "format", "type", "name",
        "chat-template-kwargs", "stop", "file", "decode", "device",
        "gradient-checkpointing",
    ]

    static let commands = options.keys.sorted()
    static let cases = commands.flatMap { command in (options[command] ?? []).map { (command, $0) } }

    private let folder: TemporaryFolder
    private let model = Fixture.url("base96-slips").path

    init() throws { folder = try TemporaryFolder() }

    /// A command that does little; an option that follows takes the place of one before.
    private func arguments(_ command: String) -> [String] {
        let loading = ["--model", model, "--precision", "bf16"]
        let own: [String: [String]] = [
            "generate": loading + ["--prompt", "1+1=", "--max-new-tokens", "2"],
            "chat": loading + ["--max-new-tokens", "2"],
            "score": loading + ["--prompt", "1+1=", "--completion", "2"],
            "eval": loading + ["--limit", "2", "--max-new-tokens", "2"],
            "bench": ["decode"] + loading + ["--batch", "1", "--tokens", "2", "--steps", "1"],
            "demo": ["--steps", "1", "--output-dir", folder.url.appending(path: "demo").path, "--json"],
        ]
        return [command] + (own[command] ?? [])
    }

    private func expectOrderlyEnd(_ arguments: [String]) throws {
        let outcome = try Program.run(arguments, input: "1+1=\n")
        let what = "\(arguments[0]) \(arguments.suffix(2).joined(separator: " ")): \(outcome.errors.suffix(400))"
        #expect([0, 2].contains(outcome.status), "\(outcome.status), \(what)")
        guard outcome.status == 2 else { return }
        #expect(outcome.errorLines.count == 1 && outcome.errors.hasPrefix("apus: "), "\(what)")
        #expect(outcome.output.isEmpty, "\(what)")
    }

    @Test(arguments: cases) func anOptionIsRefusedOrTaken(command: String, option: String) throws {
        for value in NumericSettingsTests.extremes {
            try expectOrderlyEnd(arguments(command) + ["--\(option)", value])
        }
    }

    @Test(arguments: NumericSettingsTests.trainKeys) func aPlanIsRefusedOrMade(key: String) throws {
        for value in NumericSettingsTests.extremes { try expectOrderlyEnd(["plan", model, "--\(key)", value]) }
    }

    /// A new option has to be named here, and meets the numbers then.
    @Test(arguments: commands) func noOptionIsForgotten(command: String) throws {
        let help = try Program.run([command, "--help"]).output
        let names = help.matches(of: #/(?m)^  --([a-z-]+) </#).map { String($0.output.1) }
        #expect(Set(names).subtracting(Self.textOptions) == Set(Self.options[command] ?? []))
    }

    private func problem<Value>(_ read: NumericOption.Reader<Value>, _ text: String) -> String? {
        do {
            _ = try read(text)
            return nil
        } catch {
            return "\(error)"
        }
    }

    @Test func numbersAreReadAsThoseOfSettings() throws {
        #expect(try ["0", "-0", "1e-3", "0.7", "1_000"].map(NumericOption.temperature) == [0, 0, 0.001, 0.7, 1000])
        #expect(try NumericOption.integer(like: "top_k")("1e3") == 1000)
        #expect(try NumericOption.integer(like: "seed")("9007199254740992") == 1 << 53)
        #expect(try NumericOption.steps("2147483647") == Int(Int32.max))
    }

    @Test func whatIsRefusedIsSaidInWords() {
        for (text, wanted) in [
            // It is no 0, and would be one in a model's arithmetic.
            ("1e-46", "must be at least 0.001"), ("-1", "must be at least 0 (0 takes the likeliest token)"),
            ("1e300", "must be at most 1000000"), ("nan", "expected a number"), ("", "expected a number"),
        ] {
            #expect(problem(NumericOption.temperature, text) == wanted, "\(text)")
        }
        for (text, wanted) in [
            ("0.5", "expected a whole number"), ("-1", "must be at least 0 (0 is off)"),
            ("2147483648", "must be at most 2147483647"), ("many", "expected a whole number"),
        ] {
            #expect(problem(NumericOption.integer(like: "top_k"), text) == wanted, "\(text)")
        }
    }

    @Test func aNegativeNumberIsAValue() throws {
        let outcome = try Program.run(arguments("generate") + ["--top-k", "-1"])
        #expect(
            outcome.errors == "apus: The value '-1' is invalid for '--top-k <top-k>': must be at least 0 (0 is off) "
                + "(see `apus --help`)\n")
    }

    @Test func moreCompletionsThanCanBeHeldAreRefused() throws {
        #expect(throws: CommandFailure.self) { try NumericOption.check(completions: .max, ofEach: 2) }
        #expect(throws: CommandFailure.self) { try NumericOption.check(completions: 101, ofEach: 100_000) }
        try NumericOption.check(completions: 100, ofEach: 100_000)
        let prompts = try folder.write(Data(String(repeating: "1+1=\n", count: 200).utf8), as: "prompts.txt")
        let outcome = try Program.run([
            "generate", "--model", model, "--precision", "bf16", "--prompts", prompts, "--n", "65536",
        ])
        #expect(outcome.status == 2 && outcome.errorLines.count == 1, "\(outcome.errors)")
        #expect(
            outcome.errors.hasPrefix(
                "apus: --n: wanted at most 10000000 completions in all, found 65536 of each of 200 prompts"))
    }
}
