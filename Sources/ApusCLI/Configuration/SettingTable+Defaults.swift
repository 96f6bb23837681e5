import Apus

extension SettingTable {
    /// The value of every supported key when nobody gives one.
    static var defaults: [String: JSONValue] {
        get throws {
            try RunConfiguration.members(of: RunSettings())
                .merging(RunConfiguration.members(of: GRPOConfiguration())) { own, _ in own }
        }
    }

    /// TRL's keys whose default is another one here, and why.
    static let otherDefaults: [String: String] = [
        "model_name_or_path": "has to be given",
        "output_dir": "TRL's null becomes trainer_output as well",
        "load_in_4bit": "true, as Unsloth has it: 4-bit weights are what makes a model fit",
        "dtype": "auto is bf16; TRL's float32 would quadruple the memory of a model that is not in 4 bits",
        "lora_target_modules": "all seven projections; TRL's null lets PEFT choose q_proj and v_proj",
        "lora_dropout": "0 is the only value: the sampler and the trainer share one set of weights",
        "use_peft": "true is the only value: what is trained is an adapter",
        "dataset_name": "the problems that are built in, so that a first run needs no file",
        "reward_funcs": "the five rewards of the tutorial",
        "report_to": "an empty list, which is what TRL's none means",
        "disable_tqdm": "TRL's null is false as well",
    ]

    /// Where the supported keys come from that TRL 1.16 does not have.
    static let origins: [String: String] = [
        "max_prompt_length": "older TRL",
        "warmup_ratio": "older TRL",
        "overlong_prompts": "Apus",
        "max_seq_length": "Unsloth",
        "logging_dir": "older TRL",
        "eval_dataset_name": "Apus",
        "eval_size": "Apus",
        "force_resume": "Apus",
        "on_save_failure": "Apus",
        "max_skipped_steps": "Apus",
        "eval_temperature": "Apus",
        "dynamic_sampling": "Apus",
        "max_num_gen_batches": "Apus",
        "selective_rollout": "Apus",
        "on_not_finite": "Apus",
        "stop_after_equal_rewards": "Apus",
        "strict_batch_size": "Apus",
        "memory_utilization": "Apus",
        "threads": "Apus",
        "weight_cache": "Apus",
        "adapter": "Apus",
        "dataset_size": "Apus",
        "prompt_column": "Apus",
        "answer_column": "Apus",
        "answer_extraction": "Apus",
        "system_prompt": "Apus",
        "reward_failure": "Apus",
        "reward_failure_limit": "Apus",
        "reward_failure_batches": "Apus",
        "reward_timeout": "Apus",
        "reward_workers": "Apus",
        "reward_memory_limit": "Apus",
        "python": "Apus",
    ]
}

extension Setting {
    /// Whether the key sets something of its own; the others are other names, or have no effect, or are refused.
    var isSetting: Bool {
        switch treatment {
        case .trainer, .run: true
        default: false
        }
    }
}
