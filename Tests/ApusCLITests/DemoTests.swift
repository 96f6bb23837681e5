import Apus
import ApusTestSupport
import Foundation
import Testing

@testable import ApusCLI

/// `apus demo` as a program, and what it shows.
@Suite(.serialized) struct DemoTests {
    private let folder: TemporaryFolder
    private var output: String { folder.url.appending(path: "demo").path }

    init() throws {
        folder = try TemporaryFolder()
    }

    @Test func jsonHasExactlyItsFields() throws {
        let outcome = try Program.run(["demo", "--steps", "1", "--seed", "3", "--output-dir", output, "--json"])
        try #require(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.errors.isEmpty, "\(outcome.errors)")
        let fields = try JSONDecoder().decode([String: JSONValue].self, from: Data(outcome.output.utf8))
        #expect(Set(fields.keys) == ["accuracy_before", "accuracy_after", "seconds", "steps"])
        #expect(fields["steps"] == .number(1))
        #expect(0.12...0.30 ~= fields["accuracy_before"]?.number ?? 0)
        #expect(outcome.output.split(separator: "\n").count == 1)
    }

    @Test func plainLinesAndAnAdapterThatGenerates() throws {
        let outcome = try Program.run(["demo", "--steps", "2", "--output-dir", output])
        try #require(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.errors.isEmpty && !outcome.output.contains("\u{1B}"), "\(outcome.errors)")
        let lines = outcome.output.split(separator: "\n")
        #expect(lines.filter { $0.hasPrefix("step ") }.count == 2)
        #expect(lines.contains { $0.hasPrefix("Right answers: ") && $0.contains(" after 2 steps") })
        // Commands hold the program's path, which here is long.
        #expect(
            lines.allSatisfy { $0.count <= 80 || $0.contains("--") },
            "\(outcome.output)")
        let text = try Program.run([
            "generate", "--model", output + "/model", "--adapter", output + "/checkpoint-2", "--precision", "bf16",
            "--prompt", "What is 2+3?", "--max-new-tokens", "8",
        ])
        #expect(text.status == 0, "\(text.errors)")
    }

    @Test(arguments: [
        ["--steps", "0"], ["--seed", "-1"], ["--threads", "0"], ["--output-dir", ""], ["--steps", "many"],
    ])
    func badOptionsAreOneLine(options: [String]) throws {
        let outcome = try Program.run(["demo"] + options)
        #expect(outcome.status == 2 && outcome.errorLines.count == 1, "\(outcome.errors)")
        #expect(outcome.output.isEmpty)
    }

    @Test func anOutputFolderThatCannotBe() throws {
        let file = try folder.write(Data(), as: "file")
        let outcome = try Program.run(["demo", "--output-dir", file + "/demo"])
        #expect(outcome.status == 2 && outcome.errorLines.count == 1, "\(outcome.errors)")
        #expect(outcome.errors.contains("--output-dir: cannot write the demo's files to "))
        #expect(outcome.output.isEmpty)
    }

    @Test func aSignalStopsTheDemo() throws {
        let outcome = try Program.run(["demo", "--steps", "1000", "--output-dir", output]) { line, process in
            if line.hasPrefix("step    0/") { kill(process.processIdentifier, SIGINT) }
        }
        #expect(outcome.status == 130, "\(outcome.errors)")
        #expect(outcome.errorLines.last?.hasPrefix("apus: stopped by SIGINT") == true)
    }

    @Test func theProgramHoldsWhatTheRepositoryDoes() throws {
        let recipes = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Recipes")
        #expect(
            DemoFiles.recipe
                == (try String(contentsOf: recipes.appending(path: "arithmetic-demo.yaml"), encoding: .utf8)))
        try DemoFiles.write(to: folder.url)
        let names = try FileManager.default.contentsOfDirectory(atPath: recipes.appending(path: "demo/model").path)
        #expect(names.contains("model.safetensors"))
        var size = 0
        for name in names {
            let stored = try Data(contentsOf: recipes.appending(path: "demo/model/\(name)"))
            #expect(stored == (try Data(contentsOf: folder.url.appending(path: "model/\(name)"))), "\(name)")
            size += stored.count
        }
        #expect(size < 1_500_000)
    }
}

@Suite struct DemoTextTests {
    private func measure(_ texts: [[String]], step: Int = 0) throws -> DemoMeasure {
        let samples = texts.indices.map {
            Sample(prompt: .text(""), columns: ["question": .string("question \($0)"), "answer": .string("42")])
        }
        let record = try JSONDecoder().decode(MetricsRecord.self, from: Data(#"{"eval_reward": 2.5, "step": 0}"#.utf8))
        return DemoMeasure(EvaluationReport(step: step, record: record, samples: samples, completions: texts))
    }

    private let inTheHead = "<reasoning>\nIt is 41.\n</reasoning>\n<answer>\n41\n</answer>\n"
    private let workedOut = "<reasoning>\n40+2=42\n</reasoning>\n<answer>\n42\n</answer>\n"
    private let slipped = "<reasoning>\n40+2=43\n</reasoning>\n<answer>\n43\n</answer>\n"

    @Test func workingIsAnEquation() throws {
        let measure = try measure([[inTheHead, workedOut], [slipped, "<answer>42</answer> 1=1"]])
        #expect(measure.accuracy == 0.5 && measure.working == 0.5)
        #expect(measure.accuracy(showingWorking: true) == 0.5)
        #expect(measure.accuracy(showingWorking: false) == 0.5)
        #expect(try self.measure([]).accuracy == 0)
    }

    @Test func theExampleShowsTheChange() throws {
        let before = try measure([[workedOut], [inTheHead], [slipped]])
        let after = try measure([[workedOut], [workedOut], [workedOut]])
        let example = try #require(DemoMeasure.example(before: before, after: after))
        #expect(example.question == "question 1" && example.before == inTheHead && example.after == workedOut)
        #expect(DemoMeasure.example(before: after, after: after) == nil)
    }

    @Test(arguments: [nil, 40, 80, 200])
    func linesFitTheTerminal(columns: Int?) throws {
        let line = DemoDisplay.line(try measure([[workedOut]], step: 7), of: 100, columns: columns).text
        #expect(line.hasPrefix("step   7/100  right 100.0 %") && line.hasSuffix("working 100 %  reward 2.50"))
        #expect(line.count < max(columns ?? 0, 60))
        #expect(line.contains("####") == (columns ?? 0 >= 80))
    }

    @Test func theEndingHasLinesOf80Columns() throws {
        let before = try measure([[inTheHead, workedOut], [inTheHead, inTheHead]])
        let after = try measure([[workedOut, workedOut], [workedOut, slipped]], step: 100)
        let ending = DemoEnding(
            before: before, after: after, seconds: 30, steps: 100, outputDirectory: "outputs/demo", program: "apus")
        let text = ending.lines.map(\.text).joined(separator: "\n")
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(text)")
        #expect(text.contains("Right answers: 25.0 % before, 75.0 % after 100 steps (30 s in all)."))
        #expect(text.contains("--model outputs/demo/model --adapter outputs/demo/checkpoint-100"))
        #expect(ending.lines.contains(StyledLine("What it learnt", .bold)))
        #expect(text.hasPrefix("\nRight answers: ") && text.contains("\n\nAsk it\n  apus generate "))
    }

    @Test func commandsCanBeCopiedWhateverTheFolderIsCalled() throws {
        let measure = try measure([[workedOut]])
        let ending = DemoEnding(
            before: measure, after: measure, seconds: 1, steps: 2, outputDirectory: "/tmp/my $HOME's",
            program: "/opt/my tools/apus")
        let text = ending.lines.map(\.text).joined(separator: "\n")
        #expect(text.contains("\n  '/opt/my tools/apus' generate --precision bf16"))
        #expect(
            text.contains(
                #"--model '/tmp/my $HOME'\''s/model' --adapter '/tmp/my $HOME'\''s/checkpoint-2' \"#))
        #expect(!text.contains(" /opt/my tools/apus"))
    }

    @Test func wordsWrap() {
        #expect(DemoEnding.wrapped("aa bb cc", to: 5) == "aa bb\ncc")
        #expect(DemoEnding.wrapped("aaaaaaaa b", to: 5) == "aaaaaaaa\nb")
        #expect(DemoEnding.wrapped("", to: 5) == "")
    }
}
