import Apus

/// Every key that a configuration may hold, and what Apus does with it: TRL's `GRPOConfig`, `ModelConfig` and
/// `ScriptArguments`, the names that Unsloth's tutorials use, and Apus's own.
enum SettingTable {
    static let rows: [Setting] = trainer + run + accepted + refused + trainingArguments

    /// Settings of the trainer, under TRL's names, and other names of them.
    private static let trainer = rows(of: GRPOConfiguration.declarations.map(\.facts)) { .trainer($0) }

    /// Model, adapter, data and machine.
    private static let run = rows(of: RunSettings.declarations.map(\.facts)) { .run($0) }

    /// A row for each setting, followed by rows for its other names.
    static func rows(of facts: [SettingFacts], _ treatment: (SettingKind) -> SettingTreatment) -> [Setting] {
        facts.flatMap { facts in
            [Setting(facts.key, treatment(facts.kind))]
                + facts.aliases.map { alias in
                    Setting(
                        alias.name,
                        alias.isFallback
                            ? .fallback(for: facts.key) : .alias(of: facts.key, notice: alias.notice))
                }
        }
    }

    /// What is known of each setting, by key.
    static let facts: [String: SettingFacts] = Dictionary(
        uniqueKeysWithValues: (RunSettings.declarations.map(\.facts) + GRPOConfiguration.declarations.map(\.facts))
            .map { ($0.key, $0) })

    /// Understood, and without effect here.
    private static let accepted: [Setting] = [
        Setting("use_vllm", .ignored(unless: ["false"], notice: ownEngine)),
        Setting("vllm_*", .ignored(notice: ownEngine)),
        Setting("fast_inference", .ignored(notice: ownEngine)),
        Setting("use_transformers_continuous_batching", .ignored(unless: ["false"], notice: ownEngine)),
        Setting("transformers_continuous_batching_config", .ignored(notice: ownEngine)),
        Setting("use_transformers_paged", .ignored(unless: ["false"], notice: ownEngine)),
        Setting("cache_implementation", .ignored(notice: ownEngine)),
        Setting("bf16", .ignored(unless: ["true"], notice: numerics)),
        Setting("fp16", .ignored(unless: ["false"], notice: numerics)),
        Setting("tf32", .ignored(notice: numerics)),
        Setting("cast_lm_head_to_fp32", .ignored(unless: ["false"], notice: numerics)),
        Setting("bnb_4bit_quant_type", .ignored(unless: ["nf4"], notice: "4-bit weights are always NF4")),
        Setting("bnb_4bit_compute_dtype", .ignored(unless: ["bfloat16"], notice: numerics)),
        Setting(
            "use_bnb_nested_quant", .ignored(unless: ["false"], notice: "scales of 4-bit weights have 16 bits")),
        Setting("gradient_checkpointing_kwargs", .ignored(notice: recompute)),
        Setting("attn_implementation", .ignored(notice: "there is one attention implementation")),
        Setting(
            "optim",
            .family(
                containing: "adamw", unless: ["adamw", "adamw_torch", "adamw_torch_fused"], notice: optimizer,
                reason: "only AdamW is supported")),
        Setting("env", .ignored(notice: "variables for other libraries have no effect; set APUS_… in the shell")),
        Setting("num_processes", .ignored(unless: ["1"], notice: oneProcess)),
        Setting("num_machines", .ignored(unless: ["1"], notice: oneProcess)),
        Setting("machine_rank", .ignored(unless: ["0"], notice: oneProcess)),
        Setting("main_process_*", .ignored(notice: oneProcess)),
        Setting("gpu_ids", .ignored(notice: oneProcess)),
        Setting("accelerate_config", .ignored(notice: oneProcess)),
        Setting("mixed_precision", .ignored(notice: numerics)),
        Setting("dynamo_*", .ignored(notice: "there is nothing to compile")),
        Setting(
            "shuffle_generation_inputs",
            .ignored(unless: ["true"], notice: "completions are trained on in TRL's order, shuffled where that counts")),
        Setting("wandb_*", .ignored(notice: "Weights & Biases is set up by its own variables, such as WANDB_PROJECT")),
        Setting("remove_unused_columns", .ignored(unless: ["false"], notice: "rewards always see every column")),
        Setting("logging_strategy", .ignored(unless: ["steps"], notice: "a line is logged every logging_steps")),
        Setting("logging_nan_inf_filter", .ignored(notice: "a step that is not finite is skipped and counted")),
        Setting("dataloader_*", .ignored(notice: "the dataset is in memory; there are no loader processes")),
        Setting("dataset_num_proc", .ignored(notice: "the dataset is in memory; there are no loader processes")),
        Setting("pad_to_multiple_of", .ignored(unless: ["auto"], notice: "rows are packed; nothing is padded")),
        Setting("ds3_gather_for_generation", .ignored(notice: oneMachine)),
        Setting("average_tokens_across_devices", .ignored(notice: oneMachine)),
        Setting("ddp_*", .ignored(notice: oneMachine)),
        Setting("auto_find_batch_size", .refused(unless: ["false"], reason: "GRPO needs a fixed batch size")),
        Setting("torch_empty_cache_steps", .ignored(notice: "there is no cache of freed memory to empty")),
        Setting("overwrite_output_dir", .ignored(notice: "a checkpoint is replaced only by a complete new one")),
        Setting("trust_remote_code", .ignored(unless: ["false"], notice: "nothing from a model folder is executed")),
        Setting("do_train", .ignored(unless: ["true"], notice: "`apus train` always trains")),
        Setting("do_eval", .ignored(notice: "eval_strategy says when a run evaluates")),
        Setting("dataset_streaming", .ignored(unless: ["false"], notice: streaming)),
        Setting("streaming", .ignored(unless: ["false"], notice: streaming)),
        Setting("log_multimodal", .ignored(notice: "only text is trained on")),
        Setting("model_init_kwargs", .ignored(notice: "use load_in_4bit and dtype instead")),
        Setting("use_liger_kernel", .ignored(unless: ["false"], notice: "Liger kernels are for GPUs")),
        Setting(
            "offload_embedding",
            .ignored(unless: ["false"], notice: "an embedding table that the head does not share stays in the file")),
        Setting("finetune_vision_layers", .ignored(unless: ["false"], notice: "only text is trained on")),
        Setting(
            "lora_dropout",
            .ignored(
                unless: ["0", "0.0"],
                notice:
                    "no dropout is applied: sampling and training see the same weights, so that the ratio of a fresh "
                    + "completion is 1")),
    ]

    /// Understood, and impossible here unless the value asks for nothing.
    private static let refused: [Setting] = [
        Setting("generation_kwargs", .parameters { samplingParameters }),
        Setting("vllm_sampling_params", .parameters { samplingParameters }),
        Setting("chat_template", .refused(unless: [], reason: "the template is that of the model's tokenizer")),
        Setting("callbacks", .refused(unless: ["[]"], reason: "there are no callbacks in a configuration")),
        Setting("ignore_data_skip", .refused(unless: ["false"], reason: "a resumed run goes on with the next prompts")),
        Setting("bias", .refused(unless: ["none"], reason: "only adapters without bias are supported")),
        Setting("lora_task_type", .refused(unless: ["CAUSAL_LM"], reason: "only CAUSAL_LM is supported")),
        Setting("lora_modules_to_save", .refused(unless: ["[]"], reason: "only LoRA matrices are trained")),
        Setting("modules_to_save", .refused(unless: ["[]"], reason: "only LoRA matrices are trained")),
        Setting("use_dora", .refused(unless: ["false"], reason: "DoRA is not supported")),
        Setting("full_finetuning", .refused(unless: ["false"], reason: "set use_peft: false to train all weights")),
        Setting(
            "reward_model_name_or_path",
            .refused(unless: [], reason: "reward models are not supported; use reward_funcs")),
        Setting("ref_model_mixup_alpha", .refused(unless: ["0.6"], reason: "there is no reference model to mix")),
        Setting(
            "ref_model_sync_steps", .refused(unless: ["512"], reason: "there is no reference model to synchronise")),
        Setting("loftq_config", .refused(unless: [], reason: "LoftQ is not supported: adapters begin at zero")),
        Setting("load_in_fp8", .refused(unless: ["false"], reason: "use load_in_4bit or load_in_8bit")),
        Setting("finetune_attention_modules", .refused(unless: ["true"], reason: partsOfModel)),
        Setting("finetune_mlp_modules", .refused(unless: ["true"], reason: partsOfModel)),
        Setting("finetune_language_layers", .refused(unless: ["true"], reason: partsOfModel)),
        Setting(
            "max_tool_calling_iterations", .refused(unless: [], reason: "completions that call tools are not supported")
        ),
        Setting(
            "router_aux_loss_coef",
            .refused(unless: ["0", "0.0"], reason: "mixture-of-experts models are not supported")),
        Setting("log_completions_hub_repo", .refused(unless: [], reason: offline)),
        Setting("hub_strategy", .ignored(unless: ["every_save", "end"], notice: pushedOnce)),
        Setting("hub_always_push", .ignored(unless: ["false"], notice: pushedOnce)),
        Setting("hub_token", .refused(unless: [], reason: "a token is a secret; set HF_TOKEN, or run hf auth login")),
        Setting("deepspeed", .refused(unless: [], reason: "training runs on one machine")),
        Setting("fsdp*", .refused(unless: ["[]"], reason: "training runs on one machine")),
    ]

    private static let ownEngine = "generation runs in this process, on the weights that are trained"
    static let recompute = "computing activations again has no variants; gradient_checkpointing is all"
    static let numerics = "matrix operands are bf16 and sums fp32, whatever the machine"
    private static let optimizer =
        "the optimizer is AdamW with both moments in fp32, 8 bytes for each trained parameter (`apus plan` says how much)"
    private static let partsOfModel = "choose with lora_target_modules"
    private static let oneProcess = "this is one process on one machine: there is nothing to launch"
    static let oneMachine = "training runs on one machine"
    private static let streaming = "files are read row by row, and what a run needs of the rows is held"
    private static let offline = "completions are kept in output_dir alone"
    private static let pushedOnce = "the last checkpoint is pushed, once, when the run has ended"
}
