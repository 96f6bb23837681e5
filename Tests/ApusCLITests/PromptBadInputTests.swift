import Apus
import ApusTestSupport
import Foundation
import Testing

/// Prompts and completions that do not fit, through the built program.
@Suite struct PromptBadInputTests {
    private let run: TinyRun

    init() throws {
        run = try TinyRun()
    }

    private func metrics() throws -> [[String: JSONValue]] {
        try String(contentsOf: run.output.appending(path: "metrics.jsonl"), encoding: .utf8).split(separator: "\n").map
        {
            try JSONDecoder().decode([String: JSONValue].self, from: Data($0.utf8))
        }
    }

    /// The tiny model with a tokenizer that puts `<|user|>` before every text, as its template does.
    private func modelThatBeginsTexts() throws -> String {
        let copy = run.folder.url.appending(path: "model")
        try FileManager.default.copyItem(at: Fixture.url("base96-slips"), to: copy)
        let file = copy.appending(path: "tokenizer.json")
        var members = try JSONDecoder().decode([String: JSONValue].self, from: Data(contentsOf: file))
        let processor = """
            {"type": "TemplateProcessing",
             "single": [{"SpecialToken": {"id": "<|user|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
             "special_tokens": {"<|user|>": {"id": "<|user|>", "ids": [1], "tokens": ["<|user|>"]}}}
            """
        members["post_processor"] = try JSONDecoder().decode(JSONValue.self, from: Data(processor.utf8))
        try JSONEncoder().encode(members).write(to: file)
        return copy.path
    }

    @Test("Bad input 21: every command puts the token that begins a text once and says so once")
    func repeatedBeginning() throws {
        let model = try modelThatBeginsTexts()
        let text = "<|user|>1+1=<|assistant|>"
        func ids(_ arguments: [String]) throws -> (ids: JSONValue?, warnings: [Substring]) {
            let outcome = try Program.run(
                arguments + ["--model", model, "--precision", "bf16", "--json"])
            try #require(outcome.status == 0, "\(outcome.errors)")
            let fields = try JSONDecoder().decode([String: JSONValue].self, from: Data(outcome.output.utf8))
            return (fields["prompt_token_ids"], outcome.errorLines)
        }
        let chat = try ids(["generate", "--prompt", "1+1=", "--max-new-tokens", "1"])
        #expect(chat.ids?.array?.count { $0 == .number(1) } == 1 && chat.warnings.isEmpty)
        for command in [["generate", "--max-new-tokens", "1"], ["score", "--completion", "2"]] {
            let raw = try ids(command + ["--raw", "--prompt", text])
            #expect(raw.ids == chat.ids)
            #expect(raw.warnings.count == 1)
            #expect(
                raw.warnings.first?.hasPrefix("apus: --prompt begins with <|user|>, which the tokenizer puts") == true)
            #expect(try ids(command + ["--raw", "--prompt", "1+1=<|assistant|>"]).ids == chat.ids)
        }
        let file = try run.folder.write(Data("1\n\(text)\n\(text)\n".utf8), as: "prompts.txt")
        let many = try Program.run(
            ["generate", "--model", model, "--precision", "bf16", "--raw", "--prompts", file, "--max-new-tokens", "1"])
        #expect(many.status == 0 && many.errorLines.count == 1, "\(many.errors)")
        #expect(many.errors.contains("prompts.txt:2 begins with <|user|>"))
        let demonstrations = try run.folder.write(
            Data(#"{"prompt": "\#(text)", "completion": "2"}"#.utf8), as: "sft.jsonl")
        let supervised = try Program.run([
            "sft", "--model", model, "--load_in_4bit", "false", "--dataset", demonstrations, "--max_steps", "1",
            "--output_dir", run.output.path,
        ])
        #expect(supervised.status == 0, "\(supervised.errors)")
        #expect(supervised.errors.contains("apus: example 1 of the data set begins with <|user|>"))
    }

    @Test("Bad input 24: overlong_prompts drops rows with a line, refuses them, or cuts them")
    func longPrompts() throws {
        let rows = ["1+1", "12+12", "1234567+1234567"].map { #"{"question": "\#($0)=", "answer": "2"}"# }
        let data = try run.folder.write(Data(rows.joined(separator: "\n").utf8), as: "data.jsonl")
        func train(_ policy: String) throws -> Program.Outcome {
            let outcome = try Program.run(
                run.arguments(
                    steps: 3, ["dataset": data, "max_prompt_length": "12", "overlong_prompts": policy]))
            try? FileManager.default.removeItem(at: run.output)
            return outcome
        }
        let dropped = try train("drop")
        #expect(dropped.status == 0, "\(dropped.errors)")
        #expect(
            dropped.errorLines.contains(
                "apus: 1 of 3 prompts of the data set are left out: they are longer than the 12 tokens that "
                    + "max_prompt_length allows"), "\(dropped.errors)")
        let cut = try train("cut")
        #expect(cut.status == 0 && cut.errors.contains("apus: 1 of 3 prompts are longer than max_prompt_length 12"))
        let refused = try train("error")
        #expect(refused.status == 2 && refused.errorLines.count == 1, "\(refused.errors)")
        #expect(refused.errors.hasPrefix("apus: prompt 3 of the data set has 18 tokens, max_prompt_length is 12"))
        let unknown = try train("skip")
        #expect(unknown.status == 2 && unknown.errors.contains("overlong_prompts"), "\(unknown.errors)")
    }

    @Test("Bad input 25: completions that reach the longest length are logged and, when asked, teach nothing")
    func truncatedCompletions() throws {
        // Four tokens are never a whole answer: nearly every completion is cut.
        let odd = #"{name: regex, pattern: "[13579]"}"#
        for isMasked in [false, true] {
            let outcome = try Program.run(
                run.arguments(
                    steps: 2,
                    [
                        "max_completion_length": "4", "temperature": "2", "reward_funcs": odd,
                        "mask_truncated_completions": "\(isMasked)", "per_device_train_batch_size": "32",
                        "num_generations": "32", "learning_rate": "0.01",
                    ]))
            try #require(outcome.status == 0, "\(outcome.errors)")
            let lines = try metrics()
            #expect(lines.count == 2)
            #expect(lines.allSatisfy { ($0["completions/clipped_ratio"]?.number ?? 0) > 0.9 })
            #expect(lines.allSatisfy { ($0["reward_std"]?.number ?? 0) > 0 })
            #expect(lines.allSatisfy { ($0["grad_norm"]?.number == 0) == isMasked }, "\(lines)")
            let adapters = try [1, 2].map { try Data(contentsOf: run.file("adapter_model.safetensors", of: $0)) }
            #expect((adapters[0] == adapters[1]) == isMasked)
            try FileManager.default.removeItem(at: run.output)
        }
    }
}
