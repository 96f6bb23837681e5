#if os(Linux)

    import ApusData
    import ApusTestSupport
    import Foundation
    import Testing

    /// Whole runs on a terminal, or on what is none.
    @Suite(.serialized) struct TerminalRunTests {
        private let folder: TemporaryFolder

        init() throws { folder = try TemporaryFolder() }

        private func training(steps: Int = 3, _ more: [String] = []) -> [String] {
            [
                "train", "--model", Fixture.url("base96-slips").path, "--load_in_4bit", "false", "--reward_funcs",
                "demo",
                "--dataset_size", "40", "--per_device_train_batch_size", "32", "--num_generations", "8",
                "--max_completion_length", "40", "--max_steps", "\(steps)", "--logging_steps", "1", "--output_dir",
                folder.url.path,
            ] + more
        }

        private static let utf8 = ["TERM": "xterm", "LANG": "C.UTF-8"]

        @Test func aTerminalGetsAPanelBelowItsLines() throws {
            let run = try PseudoTerminal.run(training(), environment: Self.utf8)
            #expect(run.status == 0, "\(run.output)")
            #expect(run.output.contains("░") && run.output.contains("left "))
            #expect(run.output.contains("step 3/3"))
            #expect(run.output.contains("\u{1B}[1mstep 3/3  reward ") && !run.output.contains("^["))
            // All that was drawn has been taken away, wrapping is on, and the cursor is shown.
            let drawings = run.output.components(separatedBy: "\u{1B}[?7l").count
            #expect(drawings == run.output.components(separatedBy: "\u{1B}[?7h").count)
            #expect(
                run.output.components(separatedBy: "\u{1B}[?25l").count
                    == run.output.components(separatedBy: "\u{1B}[?25h").count)
            #expect(run.output.range(of: "\u{1B}[J", options: .backwards) != nil)
            #expect(run.output.components(separatedBy: "\u{1B}[?7h").last?.contains("░") == false)
        }

        @Test(
            "Bad input 48: plain lines for TERM=dumb, CI, --no-progress and disable_tqdm",
            arguments: [
                (["TERM": "dumb", "LANG": "C.UTF-8"], []), (["LANG": "C.UTF-8"], []),
                (["TERM": "xterm", "CI": "1", "NO_COLOR": "1"], []),
                (["TERM": "xterm", "NO_COLOR": "1"], ["--no-progress"]),
                (["TERM": "xterm", "NO_COLOR": "1"], ["--disable_tqdm", "true"]),
            ] as [([String: String], [String])])
        func plainLines(environment: [String: String], arguments: [String]) throws {
            let run = try PseudoTerminal.run(training(steps: 2, arguments), environment: environment)
            #expect(run.status == 0, "\(run.output)")
            #expect(!run.output.contains("\u{1B}"), "\(run.output)")
            #expect(run.output.contains("step 2/2  reward "))
        }

        @Test("Bad input 48: NO_COLOR keeps the panel and loses the colours")
        func noColor() throws {
            let run = try PseudoTerminal.run(
                training(), environment: Self.utf8.merging(["NO_COLOR": "1"]) { $1 }, columns: 40)
            #expect(run.status == 0, "\(run.output)")
            #expect(run.output.contains("\u{1B}[?7l"))
            let colors = run.output.matches(of: /\u{1B}\[[0-9;]*m/)
            #expect(colors.isEmpty)
        }

        @Test("Bad input 48: a locale without UTF-8 gets ASCII")
        func asciiTerminal() throws {
            let run = try PseudoTerminal.run(training(), environment: ["TERM": "xterm", "LANG": "C"])
            #expect(run.status == 0, "\(run.output)")
            #expect(run.output.contains("\u{1B}[?7l"))
            #expect(run.output.utf8.allSatisfy { $0 < 128 })
        }

        @Test("Bad input 48: a locale with a decimal comma changes no number")
        func decimalComma() throws {
            let run = try PseudoTerminal.run(
                training(), environment: ["TERM": "dumb", "LANG": "de_DE.UTF-8", "LC_ALL": "de_DE.UTF-8"])
            #expect(run.status == 0, "\(run.output)")
            #expect(run.output.firstMatch(of: /step 1\/3  reward -?\d+\.\d{3}/) != nil, "\(run.output)")
            let log = try String(contentsOf: folder.url.appending(path: "metrics.jsonl"), encoding: .utf8)
            for line in log.split(separator: "\n") {
                #expect((try? JSONDecoder().decode([String: JSONValue].self, from: Data(line.utf8))) != nil)
            }
        }

        @Test func aSecondInterruptLeavesTheTerminalInOrder() throws {
            var sent = 0
            let run = try PseudoTerminal.run(training(steps: 100_000), environment: Self.utf8) { output, process in
                if sent == 0, output.contains("step      2/") || output.contains("░") {
                    sent = 1
                    kill(process.processIdentifier, SIGINT)
                } else if sent == 1, output.contains("once more stops at once") {
                    sent = 2
                    kill(process.processIdentifier, SIGINT)
                }
            }
            #expect(sent == 2)
            // Ended by the signal, or just after saving when the step was done before it came.
            #expect([SIGINT, 130].contains(run.status))
            #expect(
                run.output.components(separatedBy: "\u{1B}[?25l").count
                    == run.output.components(separatedBy: "\u{1B}[?25h").count)
        }

        @Test func completionsFollowTheLineAndLieInAFile() throws {
            let run = try PseudoTerminal.run(
                training(
                    steps: 1,
                    ["--log_completions", "true", "--num_completions_to_print", "3", "--report_to", "tensorboard"]),
                environment: Self.utf8, columns: 200)
            #expect(run.status == 0, "\(run.output)")
            #expect(run.output.contains("step 1: 3 of 32 completions; all are in completions/completions_00001.jsonl"))
            let path = folder.url.appending(path: "completions/completions_00001.jsonl")
            #expect(try String(contentsOf: path, encoding: .utf8).split(separator: "\n").count == 32)
            let runs = try FileManager.default.subpathsOfDirectory(atPath: folder.url.appending(path: "runs").path)
            #expect(runs.contains { $0.contains("/events.out.tfevents.") })
        }
    }

#endif
