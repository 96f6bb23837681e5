import Apus
import Foundation
import Testing

@testable import ApusCLI

@Suite struct OverrideArgumentsTests {
    @Test(arguments: [
        ["--learning_rate", "1e-5"], ["--learning-rate", "1e-5"], ["--learning_rate=1e-5"], ["--learning-rate=1e-5"],
    ])
    func fourSpellingsAreOne(arguments: [String]) throws {
        let parsed = try OverrideArguments(["run.yaml"] + arguments)
        #expect(parsed.configurationPath == "run.yaml")
        #expect(
            parsed.settings == [
                WrittenSetting(name: "learning_rate", value: .scalar("1e-5", isPlain: true), place: .commandLine)
            ])
    }

    @Test func thePathMayComeLast() throws {
        #expect(try OverrideArguments(["--max_steps", "3", "run.yaml"]).configurationPath == "run.yaml")
    }

    @Test func aListTakesAllUpToTheNextKey() throws {
        let settings = try OverrideArguments(["--reward_funcs", "a", "b", "--seed", "1"]).settings
        #expect(settings.map(\.name) == ["reward_funcs", "seed"])
        #expect(settings[0].value == .list([.scalar("a", isPlain: true), .scalar("b", isPlain: true)]))
    }

    @Test func aFlagMayStandAlone() throws {
        let settings = try OverrideArguments(["--use_rslora", "run.yaml"])
        #expect(settings.configurationPath == "run.yaml")
        #expect(settings.settings.map(\.value) == [.scalar("true", isPlain: true)])
        #expect(try resolve("model: m\nload_in_4bit: true", ["--load_in_4bit", "false"]).settings.loadsIn4Bit == false)
    }

    @Test func negativeNumbersAreValues() throws {
        #expect(try resolve("model: m", ["--max_steps", "-1"]).trainer.optimizer.maxSteps == -1)
    }

    @Test func yamlListsAreUnderstood() throws {
        let configuration = try resolve("model: m", ["--lora_target_modules", "[q_proj, v_proj]"])
        #expect(configuration.settings.loraTargetModules == ["q_proj", "v_proj"])
        let commas = try resolve("model: m", ["--lora_target_modules=q_proj,v_proj"])
        #expect(commas.settings.loraTargetModules == ["q_proj", "v_proj"])
    }

    @Test(arguments: [
        (["--max_steps"], "--max_steps: expected a value after it"),
        (["--lerning-rate", "1"], "--lerning-rate: unknown setting; did you mean learning_rate?"),
        (["a.yaml", "b.yaml"], "b.yaml: expected '--key value' or one configuration file"),
        (["-x"], "-x: expected '--key value' or one configuration file"),
    ])
    func mistakesAreNamed(arguments: [String], message: String) {
        #expect {
            _ = try OverrideArguments(arguments)
        } throws: {
            String(describing: $0) == message
        }
    }

    @Test func theCommandLineWins() throws {
        let configuration = try resolve("model: a\nlearning_rate: 1e-4\n", ["--model", "b", "--learning_rate=2e-5"])
        #expect(configuration.settings.model == "b")
        #expect(configuration.trainer.optimizer.learningRate == 2e-5)
    }

    @Test func textIsTextWhateverItLooksLike() throws {
        for text in ["[INST] be brief", "{a: 1}", "- x", "a: b", "[unclosed"] {
            let configuration = try RunConfiguration(arguments: ["--model", "m", "--system_prompt", text])
            #expect(configuration.settings.systemPrompt == text)
        }
        // What is a list or a mapping may still be written as one.
        let configuration = try RunConfiguration(arguments: [
            "--model", "m", "--reward_funcs", "[tutorial]", "--lr_scheduler_type", "cosine", "--lr_scheduler_kwargs",
            "{num_cycles: 2}",
        ])
        #expect(configuration.trainer.optimizer.lrSchedulerArguments.numCycles == 2)
    }

    @Test func theHomeFolderIsFoundInEveryPath() throws {
        let home = FileManager.default.homeDirectoryForCurrentUser.path
        let paths = SettingTable.facts.values.filter { $0.kind == .path || $0.kind == .folderOrFlag }.map(\.key)
        #expect(Set(paths).isSuperset(of: ["model_name_or_path", "dataset_name", "output_dir", "adapter"]))
        for key in paths {
            let resolution = try SettingResolution(layers: [
                [WrittenSetting(name: key, value: .scalar("~/x/y", isPlain: true), place: .commandLine)]
            ])
            let value = (resolution.run[key] ?? resolution.trainer[key])?.value
            #expect(value == .string(home + "/x/y"), "\(key)")
        }
    }
}
