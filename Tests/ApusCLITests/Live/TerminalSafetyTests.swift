#if os(Linux)

    import Apus
    import ApusTestSupport
    import Foundation
    import Testing

    @testable import ApusCLI

    /// A model that says what steers terminals, on a terminal and on a pipe.
    @Suite(.serialized) struct TerminalSafetyTests {
        private let folder: TemporaryFolder

        init() throws { folder = try TemporaryFolder() }

        /// That of a pipe, so that the same kernels run, on a terminal without a cursor.
        private static let plain = ProcessInfo.processInfo.environment.merging(["TERM": "dumb"]) { $1 }

        /// The tiny model with some members of one of its files changed.
        private func model(_ file: String, _ change: (inout [String: JSONValue]) throws -> Void) throws -> String {
            let copy = folder.url.appending(path: "model")
            try FileManager.default.copyItem(at: Fixture.url("base96-slips"), to: copy)
            let url = copy.appending(path: file)
            var members = try JSONDecoder().decode([String: JSONValue].self, from: Data(contentsOf: url))
            try change(&members)
            try JSONEncoder().encode(members).write(to: url)
            return copy.path
        }

        /// A model that writes ESC, BEL and CR where it means the digits 4, 1 and 2.
        private func steeringModel() throws -> String {
            try model("tokenizer.json") { members in
                var tokens = try #require(members["model"]?.object)
                var vocabulary = try #require(tokens["vocab"]?.object)
                // Bytes below 33 are spelled from U+0100 on.
                for (digit, byte) in [("4", "\u{11B}"), ("1", "\u{107}"), ("2", "\u{10D}")] {
                    (vocabulary[digit], vocabulary[byte]) = (vocabulary[byte], vocabulary[digit])
                }
                tokens["vocab"] = .object(vocabulary)
                members["model"] = .object(tokens)
            }
        }

        @Test(arguments: [[], ["--n", "4"], ["--n", "4", "--json"]])
        func generatedText(options: [String]) throws {
            let model = try steeringModel()
            var piped = ""
            for seed in 0..<4 {
                let arguments =
                    [
                        "generate", "--model", model, "--precision", "bf16", "--prompt", "What is 65+58?",
                        "--max-new-tokens", "60", "--seed", "\(seed)",
                    ] + options
                let pipe = try Program.run(arguments)
                let terminal = try PseudoTerminal.run(arguments, environment: Self.plain)
                try #require(pipe.status == 0 && terminal.status == 0, "\(pipe.errors)")
                piped += pipe.output
                // A terminal's own line breaks have a carriage return.
                #expect(terminal.output.replacing("\r\n", with: "\n") == pipe.output.printable)
            }
            // JSON escapes control characters by itself.
            #expect(options.contains("--json") || piped != piped.printable)
        }

        @Test func aChat() throws {
            let arguments = [
                "chat", "--model", try steeringModel(), "--precision", "bf16", "--temperature", "0",
                "--max-new-tokens", "40",
            ]
            let piped = try Program.run(arguments, input: "65+58\n")
            #expect(piped.output.printable != piped.output, "\(piped.errors)")
            let run = try PseudoTerminal.converse(
                arguments, environment: Self.plain, [(#/> /#, .type("65+58\n")), (#/\s> /#, .type("/exit\n"))])
            #expect(run.status == 0, "\(run.output)")
            let shown = run.output.replacing("\r\n", with: "\n")
            #expect(shown == shown.printable)
            #expect(shown.contains(piped.output.printable))
        }

        @Test func whatAnErrorQuotes() throws {
            let clipboard = PrintableTextTests.clipboard
            let model = try model("tokenizer_config.json") { members in
                members["chat_template"] = .string("{{ raise_exception('\(clipboard)') }}")
            }
            let arguments = ["generate", "--model", model, "--precision", "bf16", "--prompt", "1+1="]
            let pipe = try Program.run(arguments)
            #expect(pipe.status == 2 && pipe.errors.contains(clipboard), "\(pipe.errors)")
            let terminal = try PseudoTerminal.run(arguments, environment: Self.plain)
            #expect(terminal.status == 2 && terminal.output.contains(clipboard.printable), "\(terminal.output)")
            #expect(!terminal.output.contains("\u{1B}") && !terminal.output.contains("\u{7}"))
        }

        @Test func aDataSetsProblemsInTheTableOfCompletions() throws {
            let question = #"{"question": "\u001b]52;c;aGk=\u0007\u202e1+1=", "answer": "2"}"#
            let data = try folder.write(Data(question.utf8), as: "data.jsonl")
            let run = try PseudoTerminal.run(
                [
                    "train", "--model", Fixture.url("base96-slips").path, "--load_in_4bit", "false", "--reward_funcs",
                    "demo", "--dataset_name", data, "--per_device_train_batch_size", "4", "--num_generations", "4",
                    "--max_completion_length", "8", "--max_steps", "1", "--logging_steps", "1", "--log_completions",
                    "true", "--output_dir", folder.url.appending(path: "run").path,
                ], environment: Self.plain, columns: 200)
            #expect(run.status == 0, "\(run.output)")
            #expect(run.output.contains("^[]52;c;aGk=^G<U+202E>1+1="), "\(run.output)")
            #expect(!run.output.contains("\u{1B}") && !run.output.contains("\u{202E}"))
        }
    }

#endif
