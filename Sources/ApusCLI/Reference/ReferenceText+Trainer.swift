extension ReferenceText {
    static let loss = ReferenceSection(
        title: "Loss",
        meanings: [
            ("loss_type", "the loss's form and what it is averaged over"),
            (
                "scale_rewards",
                "divide advantages by the standard deviation of the `group` or the `batch`, or by nothing (`none`)"
            ),
            ("beta", "weight of the KL term; 0 leaves the reference pass out"),
            ("epsilon", "clip range of the ratio below 1"),
            ("epsilon_high", "clip range above 1; null is the same as below"),
            ("delta", "upper bound of the unclipped ratio"),
            ("importance_sampling_level", "a ratio for each `token`, or for each completion (`sequence`)"),
            (
                "multi_objective_aggregation",
                "add rewards up and then normalise, or normalise each reward in its group first"
            ),
            ("mask_truncated_completions", "leave completions that reached the length limit out of the loss"),
            ("use_bias_correction_kl", "multiply the KL estimate by the ratio"),
            (
                "off_policy_mask_threshold",
                "drop completions of negative advantage that drifted further than this"
            ),
            ("top_entropy_quantile", "train on this share of the tokens, those of the highest entropy"),
            ("entropy_coef", "weight of an entropy bonus"),
            ("use_adaptive_entropy", "steer `entropy_coef` towards `entropy_target`"),
            ("entropy_target", "the entropy to steer towards, in nats"),
            ("entropy_coef_min", "the steered coefficient's lower bound"),
            ("entropy_coef_max", "the steered coefficient's upper bound"),
            ("entropy_coef_delta", "how far the steered coefficient moves in a step"),
            ("sapo_temperature_neg", "of `sapo`, for negative advantages"),
            ("sapo_temperature_pos", "of `sapo`, for positive advantages"),
            ("vespo_k_pos", "of `vespo`"),
            ("vespo_lambda_pos", "of `vespo`"),
            ("vespo_k_neg", "of `vespo`"),
            ("vespo_lambda_neg", "of `vespo`"),
            ("disable_dropout", "there is no dropout, so both values are the same"),
            ("sync_ref_model", "true is refused: with LoRA the reference is the base model"),
        ],
        after: """
            The loss is not a sign of progress. When every completion is trained on once, the ratio is exactly 1 and the policy
            part of the loss is near 0 whatever is learnt; with `beta` above 0 the loss rises from 0 as the model moves. Watch
            `reward`.
            """)

    static let optimizer = ReferenceSection(
        title: "Optimizer",
        meanings: [
            ("learning_rate", "the peak. LoRA takes 5e-6 (the tutorial) to 5e-4 (small models)"),
            ("lr_scheduler_type", "how the rate falls after the warm-up"),
            ("warmup_steps", "steps of warm-up; below 1 a share of all steps"),
            ("warmup_ratio", "the same as a share, when `warmup_steps` is 0"),
            ("weight_decay", "AdamW's, decoupled"),
            ("adam_beta1", "AdamW's"),
            ("adam_beta2", "AdamW's"),
            ("adam_epsilon", "AdamW's"),
            ("max_grad_norm", "the gradient's norm is cut to this; 0 is off"),
        ])

    static let log = ReferenceSection(
        title: "Log",
        meanings: [
            ("logging_steps", "steps between two lines; below 1 a share of all steps"),
            ("logging_first_step", "log step 1 too"),
            ("report_to", "where metrics go beside metrics.jsonl"),
            ("logging_dir", "folder of TensorBoard's event files; null is a folder in `runs` in `output_dir`"),
            ("log_completions", "write the completions behind each log line to `completions/completions_<step>.jsonl`"),
            ("num_completions_to_print", "how many of them are shown at each log line; null is a few"),
            ("log_unique_prompts", "show one completion a prompt only"),
            ("disable_tqdm", "plain lines only, also on a terminal"),
            (
                "stop_after_equal_rewards",
                "end the run after so many generations in a row in which every group's rewards were equal; null is never"
            ),
        ],
        after: "[watching.md](watching.md) shows what comes of these.")

    static let checkpoints = ReferenceSection(
        title: "Checkpoints",
        meanings: [
            ("output_dir", "folder of checkpoints and of metrics.jsonl"),
            ("save_strategy", "when to save; the last step is always saved, unless this is `no`"),
            ("save_steps", "steps between two checkpoints; below 1 a share of all steps"),
            ("save_total_limit", "how many checkpoints to keep; null keeps all"),
            ("save_only_model", "save the adapter without the optimizer and the state that a continuation needs"),
            (
                "resume_from_checkpoint",
                "go on from a checkpoint folder, or with `true` from the newest in `output_dir`: bit for bit the run that was "
                    + "not stopped"
            ),
            (
                "force_resume", "go on from a checkpoint of another model, data set or configuration, with a warning"
            ),
            ("on_save_failure", "what happens when a checkpoint or a log line cannot be written"),
            (
                "max_skipped_steps",
                "steps in a row whose loss or gradient is not finite, after which `on_not_finite` applies"
            ),
            (
                "on_not_finite",
                "`stop`, or `restore`: adapter and optimizer go back to a checkpoint from before they broke, the run goes on "
                    + "with the next prompts, and stops when there is no such checkpoint"
            ),
        ],
        after: "[resume.md](resume.md) says what a run survives.")
}
