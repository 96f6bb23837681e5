extension ReferenceText {
    static let evaluation = ReferenceSection(
        title: "Evaluation",
        meanings: [
            ("eval_strategy", "when the model is measured on data that it is not trained on"),
            (
                "eval_steps",
                "steps between two evaluations; below 1 a share of all steps; null is `logging_steps`"
            ),
            ("eval_delay", "steps, with `epoch` epochs, before the first evaluation"),
            ("eval_on_start", "evaluate before the first step too"),
            (
                "eval_dataset_name",
                "a file with the columns of the training data, or `arithmetic` for held-out problems of the built-in kind"
            ),
            (
                "eval_size",
                "without `eval_dataset_name`: so many rows of the training file (below 1, a share) are split off, drawn by "
                    + "the seed. With it: its first so many rows. Of built-in problems: how many (null is 256)"
            ),
            (
                "num_generations_eval",
                "completions for each evaluation prompt; null is `num_generations`, with `eval_temperature: 0` it is 1"
            ),
            (
                "eval_temperature",
                "the temperature of an evaluation's answers; 0 always takes the likeliest token; null is `temperature`"
            ),
            (
                "load_best_model_at_end",
                "save whenever an evaluation is the best so far, keep that checkpoint whatever `save_total_limit` says, and "
                    + "end with it"
            ),
            (
                "metric_for_best_model",
                "what \"best\" means: a metric of an evaluation, with or without `eval_` in front; null is `reward` (the loss, "
                    + "which Transformers takes, says nothing in GRPO)"
            ),
            (
                "greater_is_better",
                "whether more of it is better; null is false for names that end with `loss`, else true"
            ),
            ("per_device_eval_batch_size", "completions in an evaluation batch, raised to whole groups"),
        ],
        after: """
            An evaluation samples completions with the run's sampling settings (but for `eval_temperature`), scores them with the run's rewards, and logs
            TRL's metrics with `eval_` in front (`eval_reward`, `eval_rewards/<name>/mean`, `eval_completions/mean_length`, …),
            each computed for a batch and averaged over the batches, as TRL does. Where the data have reference answers,
            `eval_accuracy/strict` and `eval_accuracy/lenient` follow ([commands.md](commands.md) says what they count).
            Training does not notice: a run with evaluation ends with the same adapter, to the bit, as one without on the same
            rows. All evaluations of a run draw the same random numbers, so that two of them differ by the model alone.
            """)
}
