import Apus

extension ReferenceText {
    static let dataAndRewards = ReferenceSection(
        section: .dataAndRewards,
        after: """
            Every other column of the data is kept for the rewards. Reward functions that are built in:

            | set | functions | what they say |
            |---|---|---|
            | tutorial | xmlcount_reward_func, soft_format_reward_func, strict_format_reward_func, int_reward_func, \
            correctness_reward_func | the Unsloth GRPO tutorial's five, with Python's semantics. At most 4 together, and \
            reasoning of several lines earns no format reward |
            | corrected | xml_count_trailing, soft_format_dotall, strict_format_dotall, integer_answer, numeric_answer | what \
            those were meant to say |
            | demo | xml_count_trailing, soft_format_start, strict_format_dotall, digits_or_untagged, exact_or_untagged | for \
            `Recipes/arithmetic-demo.yaml` |

            [rewards.md](rewards.md) says what each of them pays for, how to give parameters, and how to write your own.
            """)

    static let stepSize = ReferenceSection(
        section: .stepSize,
        after: """
            When `per_device_train_batch_size x gradient_accumulation_steps` is no multiple of `num_generations`, as in the
            tutorial (1 x 4 for groups of 6), the micro-step becomes one group: 4 prompts with 6 completions each, and a line
            says so.
            """)

    static let sampling = ReferenceSection(
        section: .sampling,
        after: "`apus plan` says what a configuration takes of this machine's memory, and what to change.")

    static let loss = ReferenceSection(
        section: .loss,
        after: """
            The loss is not a sign of progress. When every completion is trained on once, the ratio is exactly 1 and the policy
            part of the loss is near 0 whatever is learnt; with `beta` above 0 the loss rises from 0 as the model moves. Watch
            `reward`.
            """)

    static let evaluation = ReferenceSection(
        section: .evaluation,
        after: """
            An evaluation samples completions with the run's sampling settings (but for `eval_temperature`), scores them with the run's rewards, and logs
            TRL's metrics with `eval_` in front (`eval_reward`, `eval_rewards/<name>/mean`, `eval_completions/mean_length`, …),
            each computed for a batch and averaged over the batches, as TRL does. Where the data have reference answers,
            `eval_accuracy/strict` and `eval_accuracy/lenient` follow ([commands.md](commands.md) says what they count).
            Training does not notice: a run with evaluation ends with the same adapter, to the bit, as one without on the same
            rows. All evaluations of a run draw the same random numbers, so that two of them differ by the model alone.
            """)

    static let log = ReferenceSection(
        section: .log,
        after: "[watching.md](watching.md) shows what comes of these.")

    static let checkpoints = ReferenceSection(
        section: .checkpoints,
        after: "[resume.md](resume.md) says what a run survives.")
}
