/// The rest of transformers' `TrainingArguments` and of TRL's `ModelConfig`: keys that say how a library on PyTorch trains on
/// many machines. Few files hold them; those that do mean their default by it, mostly.
extension SettingTable {
    static let trainingArguments: [Setting] = acceptedArguments + refusedArguments

    private static let acceptedArguments: [Setting] = [
        Setting("activation_checkpointing_kwargs", .ignored(notice: recompute)),
        Setting("use_cache", .ignored(notice: "keys and values are always kept while sampling")),
        Setting("bf16_full_eval", .ignored(unless: ["false"], notice: numerics)),
        Setting("fp16_full_eval", .ignored(unless: ["false"], notice: numerics)),
        Setting(
            "bnb_4bit_quant_storage", .ignored(notice: "4-bit weights are laid out for the kernels that read them")),
        Setting("torch_compile*", .ignored(unless: ["false"], notice: "there is nothing to compile")),
        Setting("full_determinism", .ignored(notice: "a run is always repeatable to the bit")),
        Setting("debug", .ignored(unless: ["", "[]"], notice: "a step that is not finite is skipped and counted")),
        Setting("skip_memory_metrics", .ignored(unless: ["true"], notice: "`apus plan` says what takes memory")),
        Setting("log_level*", .ignored(unless: ["passive", "warning"], notice: "notices and errors are always shown")),
        Setting("log_on_each_node", .ignored(unless: ["true"], notice: oneMachine)),
        Setting("save_on_each_node", .ignored(unless: ["false"], notice: oneMachine)),
        Setting("local_rank", .ignored(unless: ["-1", "0"], notice: oneMachine)),
        Setting("ignore_bias_buffers", .ignored(unless: ["false"], notice: oneMachine)),
        Setting("save_safetensors", .ignored(unless: ["true"], notice: "adapters are always safetensors")),
        Setting("enable_jit_checkpoint", .ignored(unless: ["false"], notice: "SIGTERM always saves")),
        Setting("restore_callback_states_from_checkpoint", .ignored(unless: ["false"], notice: noCallbacks)),
        Setting("trackio_*", .ignored(notice: localMetrics)),
        Setting("include_num_input_tokens_seen", .ignored(unless: ["no", "false"], notice: countsTokens)),
        Setting("include_tokens_per_second", .ignored(unless: ["false"], notice: countsTokens)),
        Setting("label_names", .ignored(unless: ["[]"], notice: noLabels)),
        Setting("prediction_loss_only", .ignored(unless: ["false"], notice: noLabels)),
        Setting("include_for_metrics", .ignored(unless: ["[]"], notice: noLabels)),
        Setting("batch_eval_metrics", .ignored(unless: ["false"], notice: noLabels)),
        Setting("eval_accumulation_steps", .ignored(notice: noLabels)),
        Setting("eval_do_concat_batches", .ignored(unless: ["true"], notice: noLabels)),
        Setting("eval_use_gather_object", .ignored(unless: ["false"], notice: noLabels)),
        Setting("length_column_name", .ignored(unless: ["length"], notice: "prompts are not grouped by length")),
        Setting("liger_kernel_config", .ignored(notice: "Liger kernels are for GPUs")),
    ]

    private static let refusedArguments: [Setting] = [
        Setting("do_predict", .refused(unless: ["false"], reason: "use `apus generate` on a checkpoint")),
        Setting(
            "train_sampling_strategy",
            .refused(unless: ["random"], reason: "prompts come in TRL's order; shuffle_dataset: false keeps the file's")
        ),
        Setting(
            "group_by_length", .refused(unless: ["false"], reason: "a group's completions are trained on together")),
        Setting(
            "label_smoothing_factor",
            .refused(unless: ["0", "0.0"], reason: "a policy gradient has no labels to smooth")),
        Setting(
            "neftune_noise_alpha",
            .refused(unless: [], reason: "noise in the embeddings would make the sampler and the trainer differ")),
        Setting("optim_args", .refused(unless: [""], reason: "give adam_beta1, adam_beta2, adam_epsilon by name")),
        Setting("optim_target_modules", .refused(unless: [], reason: "choose with lora_target_modules")),
        Setting("lora_target_parameters", .refused(unless: ["[]"], reason: "choose with lora_target_modules")),
        Setting("accelerator_config", .refused(unless: [], reason: oneMachine)),
        Setting("parallelism_config", .refused(unless: [], reason: oneMachine)),
    ]

    private static let noCallbacks = "there are no callbacks in a configuration"
    private static let localMetrics = "metrics stay on this machine, in output_dir"
    private static let countsTokens = "tokens are always counted: num_tokens in metrics.jsonl"
    private static let noLabels = "a policy gradient has no labels and predicts none"
}
