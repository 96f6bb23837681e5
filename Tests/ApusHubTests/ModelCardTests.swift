import ApusFormats
import ApusTestSupport
import Foundation
import Testing

@testable import ApusHub

@Suite("Cards of models")
struct ModelCardTests {
    private func checkpoint(_ files: [String: JSONValue]) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        for (name, tree) in files { _ = try folder.write(Data(JSONWriter().write(tree).utf8), as: name) }
        return folder
    }

    private func card(_ folder: TemporaryFolder) throws -> ModelCard {
        ModelCard(of: folder.url, for: try RepositoryName("org/mine")) { method in
            method == .grpo
                ? ["learning_rate": 1e-6, "beta": 0, "note": "", "output_dir": "x"] : ["learning_rate": 2e-5]
        }
    }

    private func history(_ rewards: [Double]) -> JSONValue {
        let lines = rewards.enumerated().map { index, reward in
            JSONValue.object(["step": .integer(index + 1), "reward": .number(reward), "kl": 0.5])
        }
        return ["log_history": .array(lines), "global_step": .integer(rewards.count)]
    }

    @Test("An adapter's card says what it is, of what, how it was trained and how the reward went")
    func adapter() throws {
        let folder = try checkpoint([
            "adapter_config.json": ["base_model_name_or_path": "Qwen/Qwen2.5-0.5B-Instruct@main", "r": 12],
            "trainer_state.json": history([0.25, 0.5, 0.75]),
            "apus_state.json": [
                "configuration": [
                    "learning_rate": 1e-5, "beta": 0, "num_generations": 8, "output_dir": "/home/me/out",
                    "note": "/home/me",
                ],
                "identity": ["reward_funcs": ["exact"], "lora_r": 12, "dataset": "8 rows"],
            ],
        ])
        var card = try card(folder)
        card.dataset = try RepositoryName("openai/gsm8k", kind: .dataset)
        card.license = "apache-2.0"
        let front = """
            ---
            base_model: Qwen/Qwen2.5-0.5B-Instruct
            library_name: peft
            pipeline_tag: text-generation
            tags:
            - grpo
            - lora
            - apus
            datasets:
            - openai/gsm8k
            license: apache-2.0
            ---

            # mine

            A LoRA adapter for [Qwen/Qwen2.5-0.5B-Instruct](https://huggingface.co/Qwen/Qwen2.5-0.5B-Instruct), trained by reinforcement

            """
        #expect(card.text.hasPrefix(front.dropLast()), "\(card.text)")
        for part in [
            "| `learning_rate` | `1e-05` |", "| `lora_r` | `12` |", "Rewards: `exact`.", "\n    ▁▅█\n",
            "| 2 | 0.5 | 0.5 |", "AutoPeftModelForCausalLM.from_pretrained(\"org/mine\")", "--max-lora-rank 16",
            "apus generate --model Qwen/Qwen2.5-0.5B-Instruct --adapter org/mine --prompt",
        ] { #expect(card.text.contains(part), "\(part) is not in \(card.text)") }
        #expect(!card.text.contains("/home/me") && !card.text.contains("`beta`"))
    }

    @Test("What files say has no meaning of its own in the card")
    func escapes() throws {
        let evil = "x`|\n---\n[a](javascript:b) <script>\u{202E}" + String(repeating: "y", count: 10_000)
        let folder = try checkpoint([
            "adapter_config.json": ["base_model_name_or_path": .string("/tmp/\(evil)"), "r": 1_000_000],
            "trainer_state.json": ["log_history": [["step": 1e300, "reward": 1], ["step": "x"], 3, ["reward": 1]]],
            "apus_state.json": [
                "configuration": ["num_generations": 8, "note": .string(evil)],
                "identity": ["reward_funcs": [.string(evil)], "dataset": .string(evil)],
            ],
        ])
        var card = try card(folder)
        card.license = "mit\nbase_model: evil"
        let lines = card.text.split(separator: "\n")
        #expect(lines.count { $0 == "---" } == 2)
        #expect(card.text.utf8.count < 5000 && !card.text.contains("\u{202E}") && !card.text.contains("license"))
        #expect(!lines.contains { $0.hasPrefix("[a]") || $0.hasPrefix("base_model") })
        #expect(card.base == nil && card.text.contains("--model BASE_MODEL"))
    }

    @Test("Damaged files, and none, make a card of what is left")
    func damage() throws {
        let folder = try TemporaryFolder()
        for name in ["adapter_config.json", "trainer_state.json", "apus_state.json"] {
            _ = try folder.write(Data("{\"log_history\": [".utf8), as: name)
        }
        #expect(try card(folder).text.contains("A LoRA adapter, by Apus."))
        #expect(try card(folder).text.contains("# mine"))
        let gguf = try checkpoint(["model.gguf": [:]])
        #expect(try card(gguf).kindName == "GGUF model")
        #expect(try card(gguf).text.contains("llama-cli -hf org/mine"))
    }

    @Test("The metrics of the run are taken where the checkpoint has no history, up to its step")
    func metrics() throws {
        let run = try TemporaryFolder()
        let place = run.url.appending(path: "checkpoint-2")
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        _ = try run.write(Data("{\"global_step\": 2, \"log_history\": []}".utf8), as: "checkpoint-2/trainer_state.json")
        let lines = (1...4).map { "{\"step\": \($0), \"reward\": 0.\($0)}\n" }.joined() + "{\"step\": 5, \"rew"
        _ = try run.write(Data(lines.utf8), as: "metrics.jsonl")
        let text = ModelCard(of: place, for: try RepositoryName("org/mine")).text
        #expect(text.contains("| 2 | 0.2 |") && !text.contains("| 3 |"))
    }

    @Test("Names on the hub are told from paths")
    func names() throws {
        let found = { (text: String) in ModelCard.hubName(text, kind: .model)?.id }
        #expect(found("org/name") == "org/name" && found("org/name@v1:Q4") == "org/name")
        #expect(found("/root/.cache/huggingface/hub/models--org--na-me/snapshots/0123") == "org/na-me")
        for path in ["/tmp", "./a/b", "../a", "gpt2", "a/b/c", "", "models--x", "/dev/null", "org/\n"] {
            #expect(found(path) == nil, "\(path)")
        }
    }
}
