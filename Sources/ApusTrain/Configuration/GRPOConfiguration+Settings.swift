public import ApusData

extension GRPOConfiguration {
    /// The defaults with some settings laid over them.
    ///
    /// Numbers may be written as strings (YAML reads `1e-6` as one), booleans and names as TRL takes them.
    /// - Throws: ``ConfigurationError`` for an unknown key, a wrong type or a broken rule.
    public init(settings: [String: JSONValue]) throws(ConfigurationError) {
        try self.init(laying: settings)
        try validate()
    }

    /// TRL takes true for the newest checkpoint, and one name for a list of programs.
    /// - Throws: ``ConfigurationError`` for a program that Apus does not write for.
    public static func normalized(_ value: JSONValue, of key: String) throws(ConfigurationError) -> JSONValue {
        key == "report_to" ? try ReportTarget.names(value) : OutputSettings.normalized(value, of: key)
    }

    /// Every setting, in the order in which they are shown.
    public static let declarations: [SettingDeclaration<GRPOConfiguration>] =
        stepSize + OptimizerSettings.length.map { $0.within(\.optimizer) } + order + sampling + loss + rewards
        + OptimizerSettings.adamW.map { $0.within(\.optimizer) }
        + OutputSettings.checkpoints.map { $0.within(\.output) } + notFinite + evaluation
        + OutputSettings.log.map { $0.within(\.output) } + reports

    private static let stepSize = SettingDeclaration<GRPOConfiguration>.in(
        .stepSize,
        [
            .integer(
                "num_generations", \.numGenerations, .count(from: 2, ": advantages compare a group"),
                "completions for each prompt: the group whose rewards are compared"),
            .integer(
                "per_device_train_batch_size", \.perDeviceTrainBatchSize, .count(limit: 1 << 27),
                "completions in a micro-step"),
            .integer(
                "gradient_accumulation_steps", \.gradientAccumulationSteps, .count(limit: 1 << 14),
                "micro-steps in an optimizer step"
            ),
            .optionalInteger(
                "generation_batch_size", \.generationBatchSize, .count(limit: 1 << 27),
                "completions sampled at a time; null is one optimizer step's"),
            .optionalInteger(
                "steps_per_generation", \.stepsPerGeneration, .count(limit: 1 << 14),
                "the same, in micro-steps; give one of the two"),
            .integer("num_iterations", \.numIterations, .count(), "how often each completion is trained on"),
            .flag(
                "strict_batch_size", \.strictBatchSize, "refuse batch sizes that TRL refuses, instead of the rule below"
            ).from(.apus),
        ])

    private static let order = SettingDeclaration<GRPOConfiguration>.in(
        .stepSize,
        [
            .flag(
                "shuffle_dataset", \.shuffleDataset,
                "draw prompts in random order, the order that TRL draws for the same seed"),
            .integer("seed", \.seed, .seed, "seed of the sampling, the adapter and the order").standIn("random_state"),
            .optionalInteger(
                "data_seed", \.dataSeed, .seed, "seed of the order alone; TRL takes `seed` for it whatever this says"),
        ])

    private static let sampling = SettingDeclaration<GRPOConfiguration>.in(
        .sampling,
        [
            .integer(
                "max_completion_length", \.maxCompletionLength, .count(limit: 1 << 20),
                "the longest completion, in tokens"),
            .optionalInteger(
                "max_prompt_length", \.maxPromptLength, .count(limit: 1 << 24, ", or null for no limit"),
                "the longest prompt, in tokens; null is no limit; `p90` is the length that 90 % of the prompts do not exceed"
            ).from(.olderTRL),
            .optionalNumber(
                "max_prompt_quantile", \.maxPromptQuantile, .from(0.01, to: 1),
                "the share of the prompts that may be as long as they are, where the data decide on `max_prompt_length`; longer "
                    + "ones are left out"
            ).from(.apus),
            .choice(
                "overlong_prompts", \.overlongPrompts,
                "what happens to a prompt that is longer, always with a line that counts: `cut` keeps its last tokens, "
                    + "`drop` leaves it out (and one that leaves no room in the model's context for a completion), `error` "
                    + "does not begin. With `cut` and `error` a prompt that does not fit the context is an error"
            ).from(.apus),
            .number(
                "temperature", \.temperature,
                .above(0, smallest: 1e-3, ": a group of equal samples teaches nothing"),
                "divides the logits, in sampling and in the log-probabilities that are trained"),
            .number(
                "top_p", \.topP, .shareAboveZero(),
                "sample from the likeliest tokens that have this probability together; 1 is off"),
            .integer(
                "top_k", \.topK, .atLeast(0, limit: Double(Int32.max), " (0 is off)"),
                "sample from so many likeliest tokens; 0 is off"),
            .optionalNumber(
                "min_p", \.minP, .from(0, to: 1),
                "leave out tokens less likely than this share of the likeliest one; null is off"),
            .flag(
                "dynamic_sampling", \.dynamicSampling,
                "sample further prompts in the place of groups whose rewards are all equal, which teach nothing (DAPO)"
            ).from(.apus),
            .integer(
                "max_num_gen_batches", \.maxNumGenBatches, .count(),
                "with `dynamic_sampling`: rounds of sampling for one generation batch; what is missing then is filled up "
                    + "with groups of equal rewards, which count in every denominator as ever"
            ).from(.apus),
            .flag(
                "selective_rollout", \.selectiveRollout,
                "draw prompts less often whose last groups had equal rewards (GRESO), never less than every 20th time"
            ).from(.apus),
            SettingDeclaration(
                "stop", \.stop, .texts,
                "texts that end a completion, in training and in evaluations; what completes one stays, and counts as an end"
            ).from(.apus).also("stop_strings").also("stop_sequences"),
            .number(
                "repetition_penalty", \.repetitionPenalty, .above(0, smallest: 1e-3),
                "makes tokens that occurred less likely; 1 is off"),
            .number(
                "memory_utilization", \.memoryUtilization, .shareAboveZero(smallest: 1e-3),
                "share of the memory that this process may hold: what the weights leave of it is for keys, values and the "
                    + "rows that training starts from. The whole is the control group's limit, or the machine's memory. "
                    + "Results do not depend on it"
            ).from(.apus).onResume(.nothing).also("gpu_memory_utilization", notice: mainMemory)
                .also("vllm_gpu_memory_utilization", notice: mainMemory),
            .gradientCheckpointing(\.gradientCheckpointing),
        ])

    private static let mainMemory =
        "read as memory_utilization, a share of the device's memory: the card's or, without one, main memory"

    private static let loss = SettingDeclaration<GRPOConfiguration>.in(
        .loss,
        [
            .choice("loss_type", \.lossType, "the loss's form and what it is averaged over"),
            .choice(
                "scale_rewards", \.scaleRewards,
                "divide advantages by the standard deviation of the `group` or the `batch`, or by nothing (`none`)"),
            .number("beta", \.beta, .atLeast(0), "weight of the KL term; 0 leaves the reference pass out"),
            .number("epsilon", \.epsilon, .from(0, to: 1), "clip range of the ratio below 1"),
            .optionalNumber(
                "epsilon_high", \.epsilonHigh, .atLeast(0), "clip range above 1; null is the same as below"),
            .optionalNumber(
                "delta", \.delta, .above(0, ", or null for no bound"), "upper bound of the unclipped ratio"),
            .choice(
                "importance_sampling_level", \.importanceSamplingLevel,
                "a ratio for each `token`, or for each completion (`sequence`)"),
            .choice(
                "multi_objective_aggregation", \.multiObjectiveAggregation,
                "add rewards up and then normalise, or normalise each reward in its group first"),
            .flag(
                "mask_truncated_completions", \.maskTruncatedCompletions,
                "leave completions that reached the length limit out of the loss"),
            .flag("use_bias_correction_kl", \.useBiasCorrectionKL, "multiply the KL estimate by the ratio"),
            .optionalNumber(
                "off_policy_mask_threshold", \.offPolicyMaskThreshold, .finite(),
                "drop completions of negative advantage that drifted further than this"),
            .number(
                "top_entropy_quantile", \.topEntropyQuantile, .from(0, to: 1),
                "train on this share of the tokens, those of the highest entropy"),
            .number("entropy_coef", \.entropyCoef, .finite(), "weight of an entropy bonus"),
            .flag("use_adaptive_entropy", \.useAdaptiveEntropy, "steer `entropy_coef` towards `entropy_target`"),
            .number("entropy_target", \.entropyTarget, .atLeast(0), "the entropy to steer towards, in nats"),
            .number("entropy_coef_min", \.entropyCoefMin, .finite(), "the steered coefficient's lower bound"),
            .number("entropy_coef_max", \.entropyCoefMax, .finite(), "the steered coefficient's upper bound"),
            .number(
                "entropy_coef_delta", \.entropyCoefDelta, .atLeast(0), "how far the steered coefficient moves in a step"
            ),
            .number(
                "sapo_temperature_neg", \.sapoTemperatureNeg, .above(0, limit: 1e3),
                "of `sapo`, for negative advantages"),
            .number(
                "sapo_temperature_pos", \.sapoTemperaturePos, .above(0, limit: 1e3),
                "of `sapo`, for positive advantages"),
            .number("vespo_k_pos", \.vespoKPos, .finite(limit: 1e3), "of `vespo`"),
            .number("vespo_lambda_pos", \.vespoLambdaPos, .finite(limit: 1e3), "of `vespo`"),
            .number("vespo_k_neg", \.vespoKNeg, .finite(limit: 1e3), "of `vespo`"),
            .number("vespo_lambda_neg", \.vespoLambdaNeg, .finite(limit: 1e3), "of `vespo`"),
            .flag("disable_dropout", \.disableDropout, "there is no dropout, so both values are the same"),
            .flag("sync_ref_model", \.syncRefModel, "true is refused: with LoRA the reference is the base model"),
        ])

    private static let rewards = SettingDeclaration<GRPOConfiguration>.in(
        .dataAndRewards,
        [
            SettingDeclaration(
                "reward_weights", \.rewardWeights, .numberList(.finite(limit: 1e9)),
                "one number for each function; null weighs all 1"),
            .choice(
                "reward_failure", \.rewardFailure,
                "what a reward that fails does: `stop` the run, leave the score of the completion `missing`, or make it "
                    + "`zero`"
            ).from(.apus).onResume(.nothing),
            .number(
                "reward_failure_limit", \.rewardFailureLimit, .from(0, to: 1),
                "with `missing` and `zero`, the share of failing completions above which a function counts as broken"
            ).from(.apus).onResume(.nothing),
            .integer(
                "reward_failure_batches", \.rewardFailureBatches, .count(limit: Int(Int32.max)),
                "with `missing` and `zero`, the run stops after so many generations in a row with a broken function"
            ).from(.apus).onResume(.nothing),
        ])

    private static let notFinite = SettingDeclaration<GRPOConfiguration>.in(
        .checkpoints,
        [
            .choice(
                "on_not_finite", \.onNotFinite,
                "`stop`, or `restore`: adapter and optimizer go back to a checkpoint from before they broke, the run goes on "
                    + "with the next prompts, and stops when there is no such checkpoint"
            ).from(.apus).onResume(.nothing)
        ])

    private static let evaluation = SettingDeclaration<GRPOConfiguration>.in(
        .evaluation,
        [
            .choice(
                "eval_strategy", \.evalStrategy, "when the model is measured on data that it is not trained on"
            ).onResume(.notice).also("evaluation_strategy"),
            .optionalNumber(
                "eval_steps", \.evalSteps, .stepsOrShare,
                "steps between two evaluations; below 1 a share of all steps; null is `logging_steps`"
            ).onResume(.notice),
            .number(
                "eval_delay", \.evalDelay, .atLeast(0, limit: Double(Int32.max)),
                "steps, with `epoch` epochs, before the first evaluation"
            ).onResume(.notice),
            .flag("eval_on_start", \.evalOnStart, "evaluate before the first step too").onResume(.notice),
            .integer(
                "per_device_eval_batch_size", \.perDeviceEvalBatchSize, .count(limit: 1 << 27),
                "completions in an evaluation batch, raised to whole groups"
            ).onResume(.notice),
            .optionalInteger(
                "num_generations_eval", \.numGenerationsEval, .count(),
                "completions for each evaluation prompt; null is `num_generations`, with `eval_temperature: 0` it is 1"
            ).onResume(.notice),
            .optionalNumber(
                "eval_temperature", \.evalTemperature, .atLeast(0, " (0 takes the likeliest token)"),
                "the temperature of an evaluation's answers; 0 always takes the likeliest token; null is `temperature`"
            ).from(.apus).onResume(.notice),
            .flag(
                "load_best_model_at_end", \.loadBestModelAtEnd,
                "save whenever an evaluation is the best so far, keep that checkpoint whatever `save_total_limit` says, and "
                    + "end with it"
            ).onResume(.notice),
            .optionalText(
                "metric_for_best_model", \.metricForBestModel,
                "what \"best\" means: a metric of an evaluation, with or without `eval_` in front; null is `reward` (the "
                    + "loss, which Transformers takes, says nothing in GRPO)"
            ).onResume(.notice),
            SettingDeclaration(
                "greater_is_better", \.greaterIsBetter, .flag,
                "whether more of it is better; null is false for names that end with `loss`, else true"
            ).onResume(.notice),
        ])

    private static let reports = SettingDeclaration<GRPOConfiguration>.in(
        .log,
        [
            SettingDeclaration(
                "report_to", \.reportTo, .textList, "where metrics go beside metrics.jsonl"
            ).onResume(.notice).otherDefault("an empty list, which is what TRL's none means"),
            .optionalPath(
                "logging_dir", \.loggingDir,
                "folder of TensorBoard's event files; null is a folder in `runs` in `output_dir`"
            ).from(.olderTRL).onResume(.notice),
            .flag(
                "log_completions", \.logCompletions,
                "write the completions behind each log line to `completions/completions_<step>.jsonl`"
            ).onResume(.notice),
            .optionalInteger(
                "num_completions_to_print", \.numCompletionsToPrint, .count(limit: Int(Int32.max), ", or null"),
                "how many of them are shown at each log line; null is a few"
            ).onResume(.notice),
            .flag("log_unique_prompts", \.logUniquePrompts, "show one completion a prompt only").onResume(.notice).also(
                "wandb_log_unique_prompts"),
            .optionalInteger(
                "stop_after_equal_rewards", \.stopAfterEqualRewards,
                .count(limit: Int(Int32.max), ", or null for never"),
                "end the run after so many generations in a row in which every group's rewards were equal; null is never"
            ).from(.apus).onResume(.notice),
        ])
}
