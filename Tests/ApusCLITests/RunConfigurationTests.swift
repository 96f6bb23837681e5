import Apus
import Testing

@testable import ApusCLI

@Suite struct RunConfigurationTests {
    @Test func namesOfOtherProgramsAreTheSameSettings() throws {
        let configuration = try resolve(
            """
            model_name: m
            dataset_path: d.jsonl
            r: 32
            max_lora_rank: 32
            target_modules: [q_proj, k_proj]
            random_state: 3407
            """)
        #expect(configuration.settings.model == "m")
        #expect(configuration.settings.dataset == "d.jsonl")
        #expect(configuration.settings.loraRank == 32)
        #expect(configuration.settings.loraTargetModules == ["q_proj", "k_proj"])
        #expect(configuration.trainer.seed == 3407)
        #expect(configuration.notices.isEmpty)
    }

    @Test func aStandInYieldsToTheSettingItself() throws {
        let configuration = try resolve("model: m\nrandom_state: 3407\nseed: 42\nmax_lora_rank: 64\nlora_r: 8\n")
        #expect(configuration.trainer.seed == 42)
        #expect(configuration.settings.loraRank == 8)
        #expect(configuration.notices.count == 2)
        #expect(try resolve("model: m\nseed: 42", ["--random_state", "7"]).trainer.seed == 7)
    }

    @Test func numbersThatYAMLReadsAsTextAreNumbers() throws {
        for text in ["1e-6", "\"1e-6\"", "1.0e-06", "0.000001"] {
            #expect(try resolve("model: m\nlearning_rate: \(text)\n").trainer.optimizer.learningRate == 1e-6)
        }
        #expect(try resolve("model: m\nmax_steps: 1e3\n").trainer.optimizer.maxSteps == 1000)
    }

    @Test func yamlsBooleansReachTheWordsTheyStandFor() throws {
        #expect(try resolve("model: m\nsave_strategy: no\n").trainer.output.saveStrategy == .no)
        #expect(try resolve("model: m\nscale_rewards: false\n").trainer.scaleRewards == .none)
        #expect(try resolve("model: m\nscale_rewards: True\n").trainer.scaleRewards == .group)
    }

    @Test func resumingTakesAFolderOrAFlag() throws {
        #expect(try resolve("model: m\nresume_from_checkpoint: True\n").trainer.output.resumeFromCheckpoint == "true")
        #expect(try resolve("model: m\nresume_from_checkpoint: false\n").trainer.output.resumeFromCheckpoint == nil)
        #expect(
            try resolve("model: m", ["--resume_from_checkpoint", "o/c-5"]).trainer.output.resumeFromCheckpoint
                == "o/c-5")
    }

    @Test func nothingMeansTheDefault() throws {
        let configuration = try resolve("model: m\nlearning_rate: null\nmax_prompt_length: None\nbeta:\n")
        #expect(configuration.trainer == GRPOConfiguration())
        #expect(try resolve("model: m\nlora_r: 4", ["--lora_r", "null"]).settings.loraRank == 16)
    }

    @Test(arguments: [
        ("learning_rate: fast", "run.yaml:2: learning_rate: expected a number, found 'fast'"),
        ("learning_rate: nan", "run.yaml:2: learning_rate: expected a number, found 'nan'"),
        ("learning_rate: .inf", "run.yaml:2: learning_rate: expected a number, found '.inf'"),
        ("num_generations: 2.5", "run.yaml:2: num_generations: expected a whole number, found '2.5'"),
        ("num_generations: [6]", "run.yaml:2: num_generations: expected a whole number, found a list of 1"),
        ("shuffle_dataset: 7", "run.yaml:2: shuffle_dataset: expected true or false, found '7'"),
        ("reward_weights: [1, x]", "run.yaml:2: reward_weights: expected a list of numbers, found a list of 2"),
        ("learning_rate: -1", "run.yaml:2: learning_rate: -1.0 must be at least 0"),
        ("lora_r: 0", "run.yaml:2: lora_r: wanted at least 1, found 0"),
        ("sync_ref_model: true", "run.yaml:2: sync_ref_model: true needs full fine-tuning"),
        ("optim: sgd", "run.yaml:2: optim: 'sgd' is refused: only AdamW is supported"),
        ("eval_strategy: often", "run.yaml:2: eval_strategy: expected one of no, steps, epoch, found"),
        ("lora_target_modules: [head_proj]", "run.yaml:2: lora_target_modules: wanted some of q_proj, "),
        ("reward_funcs: [corectness_reward_func]", "did you mean correctness_reward_func?"),
        ("lerning_rate: 1", "run.yaml:2: lerning_rate: unknown setting; did you mean learning_rate?"),
        ("model_name_or_path: other", "run.yaml:2: model_name_or_path: 'other' contradicts run.yaml:1: model 'm'"),
        ("threads: 0", "run.yaml:2: threads: must be at least 1, found 0"),
    ])
    func refusalsNamePlaceKeyValueAndRule(line: String, wanted: String) throws {
        let message = try #require(refusal("model: m\n\(line)\n"))
        #expect(message.contains(wanted), "\(message)")
        #expect(!message.contains("\n"))
    }

    @Test func aModelIsNeeded() throws {
        #expect(refusal("beta: 0.1\n")?.hasPrefix("model_name_or_path: is missing") == true)
    }

    @Test(arguments: [
        ("gradient_checkpointing: true", GradientCheckpointing.recompute), ("gradient_checkpointing: no", .none),
        ("use_gradient_checkpointing: unsloth", .offload), ("", .recompute),
    ])
    func checkpointingIsAFlagOrUnslothsWord(line: String, expected: GradientCheckpointing) throws {
        let trainer = try resolve("model: m\nuse_peft: true\n\(line)\n").trainer
        #expect(trainer.gradientCheckpointing == expected)
        let setting = expected.setting
        #expect(GradientCheckpointing(setting: setting) == expected)
        #expect((setting == .string("unsloth")) == (expected == .offload), "a flag stays one in files")
    }

    @Test func checkpointingHasNoOtherWord() {
        #expect(
            refusal("model: m\ngradient_checkpointing: offload\n")?.contains("expected true, false or unsloth") == true)
    }

    @Test func acceptedKeysAreExplainedOnceForEachReason() throws {
        let configuration = try resolve(
            """
            model: m
            use_peft: true
            use_vllm: true
            vllm_mode: colocate
            gpu_memory_utilization: 0.6
            optim: adamw_8bit
            bf16: true
            use_gradient_checkpointing: unsloth
            report_to: none
            fp16: false
            """)
        #expect(configuration.notices.count == 3)
        #expect(configuration.notices[0].hasPrefix("use_vllm, vllm_mode: "))
        #expect(configuration.notices[1].hasPrefix("gpu_memory_utilization: "))
        #expect(configuration.notices[2].hasPrefix("optim: "))
        #expect(configuration.trainer.memoryUtilization == 0.6)
    }

    @Test(
        "Parameters of vLLM's and transformers' samplers are settings by their names",
        arguments: [
            "generation_kwargs", "vllm_sampling_params",
        ])
    func samplerParameters(key: String) throws {
        let configuration = try resolve(
            """
            model: m
            use_peft: true
            \(key):
              temperature: 0.7
              top_k: -1
              min_p: 0.1
              max_tokens: 99
              stop: ["</answer>", "\\n\\n"]
              repetition_penalty: 1.1
              include_stop_str_in_output: true
              seed: 3407
            """)
        let trainer = configuration.trainer
        #expect(trainer.temperature == 0.7 && trainer.topK == 0 && trainer.minP == 0.1)
        #expect(trainer.maxCompletionLength == 99 && trainer.repetitionPenalty == 1.1)
        #expect(trainer.stop == ["</answer>", "\n\n"])
        #expect(configuration.notices == ["\(key).seed: completions are drawn by the run's seed"])
        #expect(try resolve(configuration.yaml).trainer == trainer)
        for (line, wanted) in [
            ("{n: 4}", "\(key).n: '4' is refused: num_generations says"),
            ("{frequency_penalty: 0.5}", "\(key).frequency_penalty: '0.5' is refused"),
            ("{top_q: 1}", "\(key).top_q: no sampling parameter"),
            ("{temperature: hot}", "\(key).temperature: expected a number, found 'hot'"),
            ("7", "\(key): expected a mapping"),
        ] {
            #expect(refusal("model: m\n\(key): \(line)\n")?.contains(wanted) == true, "\(line)")
        }
        #expect(refusal("model: m\ntop_k: 5\n\(key): {top_k: 7}\n")?.contains("contradicts") == true)
        #expect(refusal("model: m\n\(key): null\n") == nil)
    }

    @Test("The longest prompt may be a share of the data")
    func promptQuantile() throws {
        let configuration = try resolve("model: m\nmax_prompt_length: p90\nuse_peft: true\n")
        #expect(configuration.trainer.maxPromptQuantile == 0.9 && configuration.trainer.maxPromptLength == nil)
        #expect(try resolve(configuration.yaml).trainer == configuration.trainer)
        #expect(refusal("model: m\nmax_prompt_length: p200\n")?.contains("must be from 0.01 to 1") == true)
        #expect(refusal("model: m\nmax_prompt_length: page\n")?.contains("expected a whole number") == true)
    }

    @Test("One text to stop at, or several, each as it is")
    func stopTexts() throws {
        #expect(try resolve("model: m\nstop: \"a, b\"\n").trainer.stop == ["a, b"])
        #expect(try resolve("model: m\n", ["--stop", "a, b"]).trainer.stop == ["a, b"])
        #expect(try resolve("model: m\n", ["--stop_strings", #"["x\n", y]"#]).trainer.stop == ["x\n", "y"])
        #expect(refusal("model: m\nstop: {a: b}\n")?.contains("expected a text, or a list of texts") == true)
    }

    @Test("A file that shows no sign of LoRA is told that it is trained, once")
    func adapterNotice() throws {
        #expect(try resolve("model: m\nlearning_rate: 1e-6\n").notices.count { $0.hasPrefix("use_peft: ") } == 1)
        for line in ["use_peft: true", "lora_r: 4", "load_in_4bit: true", "adapter: a"] {
            #expect(try resolve("model: m\n\(line)\n").notices.isEmpty, "\(line)")
        }
        #expect(try resolve("", ["--model", "m"]).notices.isEmpty)
    }

    @Test(
        "What published recipes name and what changes nothing here is taken, with a line where it says something else")
    func publishedRecipes() throws {
        let silent =
            "use_peft: true\nfinetune_language_layers: true\nfinetune_vision_layers: false\nloftq_config: null\nload_in_fp8: false\n"
            + "finetune_attention_modules: true\nfinetune_mlp_modules: true\nlora_dropout: 0\nuse_liger_kernel: false\n"
        #expect(try resolve("model: m\n" + silent).notices.isEmpty)
        let noted =
            "use_peft: true\nlora_dropout: 0.05\nuse_liger_kernel: true\noffload_embedding: true\nfinetune_vision_layers: true\n"
        #expect(try resolve("model: m\n" + noted).notices.count == 4)
        #expect(refusal("model: m\nfinetune_mlp_modules: false\n")?.contains("lora_target_modules") == true)
    }

    @Test func sequenceLengthIsSharedByPromptAndCompletion() throws {
        let base = "model: m\nmax_seq_length: 512\nmax_completion_length: 200\n"
        #expect(try resolve(base + "max_prompt_length: 256\n").trainer.maxPromptLength == 256)
        #expect(try resolve(base).trainer.maxPromptLength == 312)
        #expect(refusal(base + "max_prompt_length: 400\n")?.contains("max_seq_length: 512 is below") == true)
        #expect(refusal("model: m\nmax_seq_length: 100\n")?.contains("leaves no prompt") == true)
    }

    @Test func theResolvedConfigurationResolvesToItself() throws {
        let first = try resolve(
            "model: m\nuse_peft: true\nlearning_rate: 5e-6\nsystem_prompt: \"a: b\\nc\"\nreward_weights: [1, 0.5, 1, 1, 1]\nmin_p: 0.1\n"
        )
        #expect(try resolve(first.yaml) == first)
    }

    @Test func precisionFollowsTheTwoKeysThatNameIt() throws {
        #expect(try resolve("model: m\n").settings.precision == .nf4)
        #expect(try resolve("model: m\nload_in_4bit: false\n").settings.precision == .bf16)
        #expect(try resolve("model: m\nload_in_8bit: true\n").settings.precision == .int8)
        #expect(throws: SettingError.self) { try resolve("model: m\nload_in_8bit: true\nload_in_4bit: true\n") }
        #expect(try resolve("model: m\nload_in_4bit: false\ntorch_dtype: float32\n").settings.precision == .f32)
    }
}
