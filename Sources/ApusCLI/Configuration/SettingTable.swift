import Apus

/// Every key that a configuration may hold, and what Apus does with it: TRL's `GRPOConfig`, `ModelConfig` and
/// `ScriptArguments`, the names that Unsloth's tutorials use, and Apus's own.
enum SettingTable {
    static let rows: [Setting] = trainer + run + names + accepted + refused + trainingArguments

    /// Settings of the trainer, under TRL's names.
    private static let trainer: [Setting] = [
        // Size of a step.
        Setting("output_dir", .trainer(.text)),
        Setting("per_device_train_batch_size", .trainer(.integer)),
        Setting("gradient_accumulation_steps", .trainer(.integer)),
        Setting("num_generations", .trainer(.integer)),
        Setting("generation_batch_size", .trainer(.integer)),
        Setting("steps_per_generation", .trainer(.integer)),
        Setting("num_iterations", .trainer(.integer)),
        Setting("strict_batch_size", .trainer(.flag)),
        Setting("max_steps", .trainer(.integer)),
        Setting("num_train_epochs", .trainer(.number)),
        Setting("shuffle_dataset", .trainer(.flag)),
        Setting("seed", .trainer(.integer)),
        Setting("data_seed", .trainer(.integer)),
        // Rollouts.
        Setting("max_prompt_length", .trainer(.integer)),
        Setting("overlong_prompts", .trainer(.choice(words(OverlongPromptPolicy.self)))),
        Setting("max_completion_length", .trainer(.integer)),
        Setting("temperature", .trainer(.number)),
        Setting("top_p", .trainer(.number)),
        Setting("top_k", .trainer(.integer)),
        Setting("min_p", .trainer(.number)),
        Setting("repetition_penalty", .trainer(.number)),
        Setting("dynamic_sampling", .trainer(.flag)),
        Setting("max_num_gen_batches", .trainer(.integer)),
        Setting("selective_rollout", .trainer(.flag)),
        Setting("memory_utilization", .trainer(.number)),
        Setting("gradient_checkpointing", .trainer(.flagOr("unsloth"))),
        // Loss.
        Setting("beta", .trainer(.number)),
        Setting("epsilon", .trainer(.number)),
        Setting("epsilon_high", .trainer(.number)),
        Setting("delta", .trainer(.number)),
        Setting("loss_type", .trainer(.choice(words(LossType.self)))),
        Setting("scale_rewards", .trainer(.choice(words(RewardScaling.self), true: "group", false: "none"))),
        Setting("importance_sampling_level", .trainer(.choice(words(ImportanceSamplingLevel.self)))),
        Setting("multi_objective_aggregation", .trainer(.choice(words(RewardAggregation.self)))),
        Setting("reward_weights", .trainer(.numberList)),
        Setting("reward_failure", .trainer(.choice(words(RewardFailurePolicy.self)))),
        Setting("reward_failure_limit", .trainer(.number)),
        Setting("reward_failure_batches", .trainer(.integer)),
        Setting("mask_truncated_completions", .trainer(.flag)),
        Setting("use_bias_correction_kl", .trainer(.flag)),
        Setting("sync_ref_model", .trainer(.flag)),
        Setting("disable_dropout", .trainer(.flag)),
        Setting("off_policy_mask_threshold", .trainer(.number)),
        Setting("top_entropy_quantile", .trainer(.number)),
        Setting("entropy_coef", .trainer(.number)),
        Setting("use_adaptive_entropy", .trainer(.flag)),
        Setting("entropy_coef_min", .trainer(.number)),
        Setting("entropy_coef_max", .trainer(.number)),
        Setting("entropy_coef_delta", .trainer(.number)),
        Setting("entropy_target", .trainer(.number)),
        Setting("sapo_temperature_neg", .trainer(.number)),
        Setting("sapo_temperature_pos", .trainer(.number)),
        Setting("vespo_k_pos", .trainer(.number)),
        Setting("vespo_lambda_pos", .trainer(.number)),
        Setting("vespo_k_neg", .trainer(.number)),
        Setting("vespo_lambda_neg", .trainer(.number)),
        // Optimizer.
        Setting("learning_rate", .trainer(.number)),
        Setting("lr_scheduler_type", .trainer(.choice(words(ScheduleKind.self)))),
        Setting("warmup_steps", .trainer(.number)),
        Setting("warmup_ratio", .trainer(.number)),
        Setting("weight_decay", .trainer(.number)),
        Setting("adam_beta1", .trainer(.number)),
        Setting("adam_beta2", .trainer(.number)),
        Setting("adam_epsilon", .trainer(.number)),
        Setting("max_grad_norm", .trainer(.number)),
        // Log and checkpoints.
        Setting("logging_steps", .trainer(.number)),
        Setting("logging_first_step", .trainer(.flag)),
        Setting("save_strategy", .trainer(.choice(words(SaveStrategy.self), false: "no"))),
        Setting("save_steps", .trainer(.number)),
        Setting("save_total_limit", .trainer(.integer)),
        Setting("save_only_model", .trainer(.flag)),
        Setting("resume_from_checkpoint", .trainer(.folderOrFlag)),
        Setting("force_resume", .trainer(.flag)),
        Setting("on_save_failure", .trainer(.choice(words(SaveFailureResponse.self)))),
        Setting("max_skipped_steps", .trainer(.integer)),
        Setting("on_not_finite", .trainer(.choice(words(NotFiniteResponse.self)))),
        // Evaluation.
        Setting("eval_strategy", .trainer(.choice(words(EvaluationStrategy.self), false: "no"))),
        Setting("eval_steps", .trainer(.number)),
        Setting("eval_delay", .trainer(.number)),
        Setting("eval_on_start", .trainer(.flag)),
        Setting("per_device_eval_batch_size", .trainer(.integer)),
        Setting("num_generations_eval", .trainer(.integer)),
        Setting("eval_temperature", .trainer(.number)),
        Setting("load_best_model_at_end", .trainer(.flag)),
        Setting("metric_for_best_model", .trainer(.text)),
        Setting("greater_is_better", .trainer(.flag)),
        Setting("report_to", .trainer(.textList)),
        Setting("logging_dir", .trainer(.text)),
        Setting("log_completions", .trainer(.flag)),
        Setting("num_completions_to_print", .trainer(.integer)),
        Setting("log_unique_prompts", .trainer(.flag)),
        Setting("stop_after_equal_rewards", .trainer(.integer)),
    ]

    private static func words<Choice: CaseIterable & RawRepresentable<String>>(_ type: Choice.Type) -> [String] {
        Choice.allCases.map(\.rawValue)
    }

    /// Model, adapter, data and machine.
    private static let run: [Setting] = [
        Setting("model_name_or_path", .run(.text)),
        Setting("load_in_4bit", .run(.flag)),
        Setting("load_in_8bit", .run(.flag)),
        Setting("dtype", .run(.choice(["auto", "bfloat16", "float32"]))),
        Setting("max_seq_length", .run(.integer)),
        Setting("threads", .run(.integer)),
        Setting("weight_cache", .run(.flag)),
        Setting("adapter", .run(.text)),
        Setting("lora_r", .run(.integer)),
        Setting("lora_alpha", .run(.number)),
        Setting("lora_target_modules", .run(.textList)),
        Setting("use_rslora", .run(.flag)),
        Setting("dataset_name", .run(.text)),
        Setting("dataset_size", .run(.integer)),
        Setting("prompt_column", .run(.text)),
        Setting("answer_column", .run(.text)),
        Setting("answer_extraction", .run(.choice(["none", "after_hashes"], false: "none"))),
        Setting("system_prompt", .run(.text)),
        Setting("eval_dataset_name", .run(.text)),
        Setting("eval_size", .run(.number)),
        Setting("reward_funcs", .run(.rewardList)),
        Setting("python", .run(.text)),
        Setting("reward_workers", .run(.integer)),
        Setting("reward_timeout", .run(.number)),
        Setting("reward_memory_limit", .run(.limit)),
        Setting("disable_tqdm", .run(.flag)),
    ]

    /// Other names.
    private static let names: [Setting] = [
        Setting("model_name", .alias(of: "model_name_or_path")),
        Setting("model", .alias(of: "model_name_or_path")),
        Setting("dataset_path", .alias(of: "dataset_name")),
        Setting("dataset", .alias(of: "dataset_name")),
        Setting("eval_dataset", .alias(of: "eval_dataset_name")),
        Setting("eval_dataset_path", .alias(of: "eval_dataset_name")),
        Setting("r", .alias(of: "lora_r")),
        Setting("lora_rank", .alias(of: "lora_r")),
        Setting("max_lora_rank", .fallback(for: "lora_r")),
        Setting("target_modules", .alias(of: "lora_target_modules")),
        Setting("torch_dtype", .alias(of: "dtype")),
        Setting("use_rs_lora", .alias(of: "use_rslora")),
        Setting("random_state", .fallback(for: "seed")),
        Setting("output", .alias(of: "output_dir")),
        Setting("use_gradient_checkpointing", .alias(of: "gradient_checkpointing")),
        Setting("gpu_memory_utilization", .alias(of: "memory_utilization", notice: mainMemory)),
        Setting("vllm_gpu_memory_utilization", .alias(of: "memory_utilization", notice: mainMemory)),
        Setting("reward_functions", .alias(of: "reward_funcs")),
        Setting("force", .alias(of: "force_resume")),
    ]

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
            "use_bnb_nested_quant", .ignored(unless: ["false"], notice: "scales of 4-bit weights stay in fp32")),
        Setting("gradient_checkpointing_kwargs", .ignored(notice: recompute)),
        Setting("attn_implementation", .ignored(notice: "there is one attention implementation")),
        Setting(
            "optim",
            .family(
                prefix: "adamw", unless: ["adamw", "adamw_torch", "adamw_torch_fused"], notice: optimizer,
                reason: "only AdamW is supported")),
        Setting("use_peft", .refused(unless: ["true"], reason: "only LoRA training is supported; remove the key")),
        Setting("remove_unused_columns", .ignored(unless: ["false"], notice: "rewards always see every column")),
        Setting("run_name", .ignored(notice: "runs are told apart by their output_dir")),
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
        Setting("use_cpu", .ignored(unless: ["true"], notice: "this build computes on the CPU")),
        Setting("trust_remote_code", .ignored(unless: ["false"], notice: "nothing from a model folder is executed")),
        Setting("do_train", .ignored(unless: ["true"], notice: "`apus train` always trains")),
        Setting("do_eval", .ignored(notice: "eval_strategy says when a run evaluates")),
        Setting("dataset_config", .ignored(notice: oneFile)),
        Setting("dataset_train_split", .ignored(unless: ["train"], notice: oneFile)),
        Setting("dataset_test_split", .ignored(unless: ["test"], notice: oneFile)),
        Setting("dataset_streaming", .ignored(unless: ["false"], notice: oneFile)),
        Setting("log_multimodal", .ignored(notice: "only text is trained on")),
        Setting("model_init_kwargs", .ignored(notice: "use load_in_4bit and dtype instead")),
        Setting("push_to_hub", .refused(unless: ["false"], reason: offline)),
    ]

    /// Understood, and impossible here unless the value asks for nothing.
    private static let refused: [Setting] = [
        Setting(
            "generation_kwargs",
            .refused(unless: [], reason: "give temperature, top_p, top_k, min_p or repetition_penalty by name")),
        Setting("chat_template_kwargs", .refused(unless: [], reason: "templates see the messages and nothing else")),
        Setting("lr_scheduler_kwargs", .refused(unless: [], reason: "the schedules take no further arguments")),
        Setting("ignore_data_skip", .refused(unless: ["false"], reason: "a resumed run goes on with the next prompts")),
        Setting(
            "lora_dropout",
            .refused(
                unless: ["0", "0.0"],
                reason: "only 0 is supported: the sampler and the trainer share one set of weights")),
        Setting("bias", .refused(unless: ["none"], reason: "only adapters without bias are supported")),
        Setting("lora_task_type", .refused(unless: ["CAUSAL_LM"], reason: "only CAUSAL_LM is supported")),
        Setting("lora_modules_to_save", .refused(unless: ["[]"], reason: "only LoRA matrices are trained")),
        Setting("modules_to_save", .refused(unless: ["[]"], reason: "only LoRA matrices are trained")),
        Setting("use_dora", .refused(unless: ["false"], reason: "DoRA is not supported")),
        Setting("full_finetuning", .refused(unless: ["false"], reason: "only LoRA training is supported")),
        Setting(
            "reward_model_name_or_path",
            .refused(unless: [], reason: "reward models are not supported; use reward_funcs")),
        Setting("ref_model_mixup_alpha", .refused(unless: ["0.6"], reason: "there is no reference model to mix")),
        Setting(
            "ref_model_sync_steps", .refused(unless: ["512"], reason: "there is no reference model to synchronise")),
        Setting("use_liger_kernel", .refused(unless: ["false"], reason: "Liger kernels are for GPUs; remove the key")),
        Setting(
            "max_tool_calling_iterations", .refused(unless: [], reason: "completions that call tools are not supported")
        ),
        Setting(
            "router_aux_loss_coef",
            .refused(unless: ["0", "0.0"], reason: "mixture-of-experts models are not supported")),
        Setting("log_completions_hub_repo", .refused(unless: [], reason: offline)),
        Setting("hub_*", .refused(unless: ["false", "every_save"], reason: offline)),
        Setting("deepspeed", .refused(unless: [], reason: "training runs on one machine")),
        Setting("fsdp*", .refused(unless: ["[]"], reason: "training runs on one machine")),
        Setting("model_revision", .refused(unless: ["main"], reason: "models are read from disk; give a path")),
    ]

    private static let ownEngine = "generation runs in this process, on the weights that are trained"
    private static let mainMemory = "this build computes on the CPU: read as memory_utilization, a share of main memory"
    static let recompute = "computing activations again has no variants; gradient_checkpointing is all"
    static let numerics = "matrix operands are bf16 and sums fp32, whatever the machine"
    private static let optimizer = "the optimizer is AdamW with its state in fp32"
    static let oneMachine = "training runs on one machine"
    private static let oneFile = "dataset_name is one file, all of which is used"
    private static let offline = "Apus does not connect to the network"
}
