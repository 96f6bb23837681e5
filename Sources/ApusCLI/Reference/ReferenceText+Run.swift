extension ReferenceText {
    static let modelAndAdapter = ReferenceSection(
        title: "Model and adapter",
        meanings: [
            ("model_name_or_path", "a model folder in Hugging Face's layout, or a GGUF file; required"),
            ("load_in_4bit", "quantise the frozen weights to NF4; false keeps them in bf16"),
            (
                "load_in_8bit",
                "hold them in integers of 8 bits with a scale for every 32 instead: exactly what GGUF files of Q8_0, Q5_0 "
                    + "and Q4_0 hold"
            ),
            (
                "dtype",
                "`auto` and `bfloat16` compute in bf16 with fp32 sums; `float32`, when neither `load_in` key is true, computes in "
                    + "fp32 (slow, for comparisons)"
            ),
            (
                "max_seq_length",
                "prompt and completion together, in tokens. Without `max_prompt_length`, the prompt gets what "
                    + "`max_completion_length` leaves"
            ),
            ("threads", "threads to compute with; null is one a core. Results do not depend on it"),
            (
                "weight_cache",
                "keep the quantised weights in the user's cache, so that the next run begins sooner ([commands.md]"
                    + "(commands.md#kept-weights)). Results do not depend on it"
            ),
            ("adapter", "a PEFT adapter folder to go on training from"),
            ("lora_r", "rank of a fresh adapter"),
            ("lora_alpha", "the adapter's output is scaled by `lora_alpha / lora_r`"),
            (
                "lora_target_modules",
                "some of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj; `all-linear` is all seven"
            ),
            ("use_rslora", "scale by `lora_alpha / sqrt(lora_r)` instead"),
        ])

    static let dataAndRewards = ReferenceSection(
        title: "Data and rewards",
        meanings: [
            (
                "dataset_name",
                "`arithmetic` for the problems that are built in, or the path of a `.jsonl` or `.json` file"
            ),
            ("dataset_size", "how many built-in problems there are"),
            (
                "prompt_column",
                "the column with the user's message. A column `prompt` with a list of messages is used as it is"
            ),
            ("answer_column", "the column with the reference answer, which rewards see as `answer`"),
            ("answer_extraction", "`after_hashes` takes the text after the last `####`, as GSM8K marks its answers"),
            ("system_prompt", "a system message before every prompt"),
            (
                "reward_funcs",
                "built-in functions and sets of them (below), ones with parameters, Python functions "
                    + "(`rewards.py:f`), servers (`http://…`)"
            ),
            ("reward_weights", "one number for each function; null weighs all 1"),
            (
                "reward_failure",
                "what a reward that fails does: `stop` the run, leave the score of the completion `missing`, or make it `zero`"
            ),
            (
                "reward_failure_limit",
                "with `missing` and `zero`, the share of failing completions above which a function counts as broken"
            ),
            (
                "reward_failure_batches",
                "with `missing` and `zero`, the run stops after so many generations in a row with a broken function"
            ),
            ("reward_timeout", "seconds for one call of a Python function or a server"),
            ("reward_workers", "processes among which Python functions are dealt out"),
            ("reward_memory_limit", "GiB of address space for each of these processes; `none` for no limit"),
            (
                "python",
                "the interpreter of Python functions; null is that of the active virtual environment, else `python3`"
            ),
        ],
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
        title: "Size of a step",
        meanings: [
            ("num_generations", "completions for each prompt: the group whose rewards are compared"),
            ("per_device_train_batch_size", "completions in a micro-step"),
            ("gradient_accumulation_steps", "micro-steps in an optimizer step"),
            ("generation_batch_size", "completions sampled at a time; null is one optimizer step's"),
            ("steps_per_generation", "the same, in micro-steps; give one of the two"),
            ("num_iterations", "how often each completion is trained on"),
            ("strict_batch_size", "refuse batch sizes that TRL refuses, instead of the rule below"),
            ("max_steps", "optimizer steps; 0 or less lets `num_train_epochs` decide"),
            ("num_train_epochs", "passes over the prompts"),
            ("shuffle_dataset", "draw prompts in random order, the order that TRL draws for the same seed"),
            ("seed", "seed of the sampling, the adapter and the order"),
            ("data_seed", "seed of the order alone"),
        ],
        after: """
            When `per_device_train_batch_size x gradient_accumulation_steps` is no multiple of `num_generations`, as in the
            tutorial (1 x 4 for groups of 6), the micro-step becomes one group: 4 prompts with 6 completions each, and a line
            says so.
            """)

    static let sampling = ReferenceSection(
        title: "Sampling",
        meanings: [
            ("max_completion_length", "the longest completion, in tokens"),
            ("max_prompt_length", "the longest prompt, in tokens; null is no limit"),
            (
                "overlong_prompts",
                "what happens to a prompt that is longer, always with a line that counts: `cut` keeps its last tokens, `drop` "
                    + "leaves it out (and one that leaves no room in the model's context for a completion), `error` does not "
                    + "begin. With `cut` and `error` a prompt that does not fit the context is an error"
            ),
            (
                "temperature",
                "divides the logits, in sampling and in the log-probabilities that are trained"
            ),
            ("top_p", "sample from the likeliest tokens that have this probability together; 1 is off"),
            ("top_k", "sample from so many likeliest tokens; 0 is off"),
            ("min_p", "leave out tokens less likely than this share of the likeliest one; null is off"),
            (
                "dynamic_sampling",
                "sample further prompts in the place of groups whose rewards are all equal, which teach nothing (DAPO)"
            ),
            (
                "max_num_gen_batches",
                "with `dynamic_sampling`: rounds of sampling for one generation batch; what is missing then is filled up with "
                    + "groups of equal rewards, which count in every denominator as ever"
            ),
            (
                "selective_rollout",
                "draw prompts less often whose last groups had equal rewards (GRESO), never less than every 20th time"
            ),
            ("repetition_penalty", "makes tokens that occurred less likely; 1 is off"),
            (
                "memory_utilization",
                "share of the memory that this process may hold: what the weights leave of it is for keys, values and the "
                    + "rows that training starts from. The whole is the control group's limit, or the machine's memory. Results "
                    + "do not depend on it"
            ),
            (
                "gradient_checkpointing",
                "the backward pass computes the inside of each layer again from its kept input. false keeps it in 16 bits: a "
                    + "step is a few per cent faster, a token takes about twice the memory, and gradients differ in their "
                    + "fifth digit. `unsloth` stands for true"
            ),
        ],
        after: "`apus plan` says what a configuration takes of this machine's memory, and what to change.")
}
