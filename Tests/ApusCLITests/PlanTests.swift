import Apus
import ApusTestSupport
import Foundation
import Testing

@testable import ApusCLI

/// What is said of a run before it begins.
@Suite struct PlanTests {
    private let model = Fixture.url("base96-slips").path
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    @Test func aPlanNeedsAModelOnly() throws {
        let outcome = try Program.run(["plan", model, "--num_generations", "4"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        for part in ["base weights", "adapter", "optimizer", "keys, values", "together", "It fits", "estimated"] {
            #expect(outcome.output.contains(part), "\(part)")
        }
    }

    @Test func settingsAreWrittenAsInTrainingOrAfterSet() throws {
        #expect(
            PlanCommand.settings(["m.gguf", "--set", "beta", "1", "--lora_r", "4"])
                == ["--model_name_or_path", "m.gguf", "--beta", "1", "--lora_r", "4"])
        #expect(PlanCommand.settings(["run.yaml", "--set", "beta=1"]) == ["run.yaml", "--beta=1"])
    }

    @Test func jsonHasThePartsAndTheirSum() throws {
        let outcome = try Program.run(["plan", model, "--lora_r", "64", "--json"])
        let fields = try JSONDecoder().decode([String: JSONValue].self, from: Data(outcome.output.utf8))
        #expect(
            Set(fields.keys) == [
                "model", "prompt_tokens", "parts", "total_bytes", "int8_total_bytes", "least_bytes", "limit_bytes",
                "page_budget_bytes",
                "main_memory_bytes", "wanted_page_bytes", "verdict", "advice",
            ])
        let parts = (fields["parts"]?.array ?? []).compactMap { $0.object?["bytes"]?.number }
        #expect(parts.reduce(0, +) == fields["total_bytes"]?.number)
        #expect(fields["verdict"] == .string("fits"))
    }

    /// Between the totals of 4 and of 16 bits, and said unless it is the total itself.
    @Test func theTotalIn8BitsStandsBesideTheChosenOne() throws {
        func report(_ setting: String) throws -> PlanReport {
            try PlanReport(RunPlan(resolve("model: \(model)\n\(setting)\n"), limit: 4 << 30))
        }
        let (nf4, int8) = (try report("load_in_4bit: true"), try report("load_in_8bit: true"))
        let bf16 = try report("load_in_4bit: false")
        for other in [nf4, bf16] {
            #expect(other.in8Bits.total == int8.plan.memory.total)
            let line = other.text.split(separator: "\n").first { $0.contains("with load_in_8bit: true") }
            #expect(line?.contains(" \(mebibytes(int8.plan.memory.total)) MiB ") == true)
        }
        #expect(nf4.plan.memory.total < int8.plan.memory.total && int8.plan.memory.total < bf16.plan.memory.total)
        #expect(!int8.text.contains("load_in_8bit"))
        #expect(int8.json.object?["int8_total_bytes"] == int8.json.object?["total_bytes"])
    }

    @Test func adviceIsInTheTutorialsOrderAndSaves() throws {
        let configuration = try resolve(
            "model: \(model)\nper_device_train_batch_size: 24\nnum_generations: 6\nload_in_4bit: false\n"
                + "max_completion_length: 64\n")
        let plan = try RunPlan(configuration, limit: 48 << 20)
        let advice = try PlanAdvice.list(for: plan)
        let keys = advice.map { String($0.change.prefix { $0 != ":" }) }
        #expect(
            keys == [
                "memory_utilization", "num_generations", "per_device_train_batch_size", "lora_target_modules",
                "max_completion_length", "load_in_4bit",
            ])
        let before = plan.memory
        #expect(
            advice.allSatisfy { $0.memory.total < before.total || $0.memory.missingPages < before.missingPages })
    }

    @Test func promptsAreAsLongAsTheDataSays() throws {
        let rows = ["{\"question\": \"\(String(repeating: "abc", count: 100))\", \"answer\": \"1\"}", ""]
        let data = try folder.write(Data(rows.joined(separator: "\n").utf8), as: "data.jsonl")
        let base = "model: \(model)\ndataset_name: \(data)\n"
        #expect(try PromptLength(resolve(base)).tokens == 116)
        #expect(try PromptLength(resolve(base + "max_prompt_length: 50\n")).tokens == 50)
        #expect(try PromptLength(resolve("model: \(model)\ndataset_name: none.jsonl\n")).tokens == 256)
    }

    @Test func aDryRunPrintsAFileThatResolvesToItselfAndChangesNothing() throws {
        let output = folder.url.appending(path: "out").path
        let arguments = ["--model", model, "--lora_r", "4", "--beta", "0.04", "--output_dir", output]
        let outcome = try Program.run(["train"] + arguments + ["--dry-run"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.output.contains("# It fits"))
        #expect(try resolve(outcome.output) == RunConfiguration(arguments: arguments))
        #expect(!FileManager.default.fileExists(atPath: output))
    }

    @Test("Bad input 39: a run that this machine cannot hold is refused before anything is loaded")
    func refusedUpFront() throws {
        let output = folder.url.appending(path: "out").path
        let outcome = try Program.run([
            "train", "--model", model, "--output_dir", output, "--per_device_train_batch_size", "80000000",
        ])
        #expect(outcome.status == 2)
        #expect(outcome.errorLines.count == 1, "\(outcome.errors)")
        #expect(outcome.errors.hasPrefix("apus: memory: wanted at least "), "\(outcome.errors)")
        #expect(outcome.errors.contains("`apus plan`"))
        #expect(!FileManager.default.fileExists(atPath: output))
    }

    @Test func aPlanOfWhatDoesNotFitSaysSoAndEndsWell() throws {
        let outcome = try Program.run(["plan", model, "--per_device_train_batch_size", "80000000"])
        #expect(outcome.status == 0)
        #expect(outcome.output.contains("does not fit"))
    }

    @Test func aModelThatIsNotThereIsNamed() throws {
        let outcome = try Program.run(["plan", "Qwen/Qwen2.5-0.5B-Instruct"], environment: ["HF_HUB_OFFLINE": "1"])
        #expect(outcome.status == 2)
        #expect(outcome.errorLines.count == 1)
        #expect(outcome.errors.contains("Qwen/Qwen2.5-0.5B-Instruct"))
    }
}
