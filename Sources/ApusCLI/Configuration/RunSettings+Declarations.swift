import Apus

extension RunSettings {
    static let declarations: [SettingDeclaration<RunSettings>] =
        modelAndAdapter + dataAndRewards + evaluation + display + sharing

    private static let modelAndAdapter = SettingDeclaration<RunSettings>.in(
        .modelAndAdapter,
        [
            .path(
                "model_name_or_path", \.model,
                "a model folder in Hugging Face's layout, a GGUF file, or a name on the hub: `org/name`, `org/name@revision`, "
                    + "`org/name:Q4_K_M` ([hub.md](hub.md)); required"
            )
            .also("model_name").also("model").otherDefault("has to be given"),
            .text("model_revision", \.modelRevision, "of a model on the hub: the branch, tag or commit"),
            .flag("load_in_4bit", \.loadsIn4Bit, "quantise the frozen weights to NF4; false keeps them in bf16")
                .otherDefault("true, as Unsloth has it: 4-bit weights are what makes a model fit"),
            .flag(
                "load_in_8bit", \.loadsIn8Bit,
                "hold them in integers of 8 bits with a scale for every 32 instead: exactly what GGUF files of Q8_0, Q5_0 "
                    + "and Q4_0 hold"),
            SettingDeclaration(
                "dtype", \.dtype, .choice(["auto", "bfloat16", "float32"]),
                "`auto` and `bfloat16` compute in bf16 with fp32 sums; `float32`, when neither `load_in` key is true, "
                    + "computes in fp32 (slow, for comparisons)"
            ).also("torch_dtype").otherDefault(
                "auto is bf16; TRL's float32 would quadruple the memory of a model that is not in 4 bits"),
            .optionalInteger(
                "max_seq_length", \.maxSequenceLength, .count(limit: 1 << 24),
                "prompt and completion together, in tokens. Without `max_prompt_length`, the prompt gets what "
                    + "`max_completion_length` leaves"
            ).from(.unsloth),
            SettingDeclaration(
                "device", \.device, .device,
                "where to compute: the first NVIDIA card that can be used, else the processor (`auto`), the processor (`cpu`), or "
                    + "a card (`cuda`, `cuda:1`). Results of different devices differ in their last digits"
            ).from(.apus),
            .flag("use_cpu", \.usesCPU, "stands for `device: cpu`"),
            .optionalInteger(
                "threads", \.threads, .count(limit: 1024),
                "threads of the processor to compute with; null is one a core. Results do not depend on it"
            ).from(.apus),
            .flag(
                "weight_cache", \.usesWeightCache,
                "keep the quantised weights in the user's cache, so that the next run begins sooner ([commands.md]"
                    + "(commands.md#kept-weights)). Results do not depend on it"
            ).from(.apus),
            .flag(
                "use_peft", \.usesPEFT,
                "train an adapter beside frozen weights; false trains all weights of a small model, in fp32 (20 bytes a "
                    + "parameter) and with about a tenth of the learning rate"
            ).otherDefault("true: a LoRA adapter is what fits beside a model"),
            .optionalPath(
                "adapter", \.adapter, "a PEFT adapter folder to go on training from, or its name on the hub"
            ).from(.apus),
            .integer("lora_r", \.loraRank, .finite(limit: 16_384), "rank of a fresh adapter").also("r").also(
                "lora_rank"
            )
            .standIn("max_lora_rank"),
            .number(
                "lora_alpha", \.loraAlpha, .finite(), "the adapter's output is scaled by `lora_alpha / lora_r`"),
            SettingDeclaration(
                "lora_target_modules", \.loraTargetModules, .textList,
                "some of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj (of Phi-3 qkv_proj, gate_up_proj), embed_tokens, lm_head; "
                    + "`all-linear` is all but the last two; a path such as `model.layers.3.self_attn.q_proj` is that of one layer, "
                    + "anything else a regular expression for paths"
            ).also("target_modules").otherDefault(
                "all projections; TRL's null lets PEFT choose q_proj and v_proj"),
            SettingDeclaration(
                "layers_to_transform", \.layersToTransform, .numberList(.atLeast(0, limit: 65_535)),
                "the layers, from 0, that get an adapter; null is all"
            ).from(.unsloth),
            .flag("use_rslora", \.usesRSLoRA, "scale by `lora_alpha / sqrt(lora_r)` instead").also("use_rs_lora"),
        ])

    private static let dataAndRewards = SettingDeclaration<RunSettings>.in(
        .dataAndRewards,
        [
            .path(
                "dataset_name", \.dataset,
                "`arithmetic` for the problems that are built in, a file (`.jsonl`, `.json`, `.csv`, `.tsv`, `.parquet`, "
                    + "`.arrow`), a folder of files, a pattern (`data/*.jsonl`), or the name of a data set on the hub "
                    + "(`openai/gsm8k`, `org/name@revision`): [data.md](data.md)"
            ).also("dataset_path").also("dataset").otherDefault(
                "the problems that are built in, so that a first run needs no file"),
            .optionalText(
                "dataset_config", \.datasetConfiguration, "the part of the data set, where it has several (`main`)"),
            .text(
                "dataset_train_split", \.trainSplit,
                "the split to train on, or what of it: `train`, `train[:10%]`, `train[100:200]+extra`"),
            .text(
                "dataset_test_split", \.testSplit,
                "the split to evaluate on, where `eval_strategy` asks for it and the data set has several"),
            SettingDeclaration(
                "datasets", \.datasets, .datasetList,
                "several data sets one after another: a list of mappings with `path`, and `name`, `data_dir`, `data_files`, "
                    + "`split`, `columns`, `fraction`, as in TRL"),
            .integer(
                "dataset_size", \.datasetSize, .count(limit: 10_000_000), "how many built-in problems there are"
            ).from(.apus),
            .optionalText(
                "dataset_rows", \.datasetRows,
                "a Python function (`data.py:rows`) that gives rows in the place of a file: a generator, or a list of dictionaries"
            ).from(.apus),
            .optionalText(
                "dataset_map", \.datasetMap,
                "a Python function (`data.py:to_prompt`) that changes each row as `datasets.map` does; a list that it returns "
                    + "is several rows"
            ).from(.apus),
            .optionalText(
                "dataset_filter", \.datasetFilter, "a Python function that says which rows stay, after the change"
            ).from(.apus),
            .text(
                "prompt_column", \.promptColumn,
                "the column with the user's message. A column `prompt` with a list of messages is used as it is"
            ).from(.apus).also("dataset_prompt_column"),
            .optionalText(
                "prompt_template", \.promptTemplate,
                "the user's message, made of columns in the language of chat templates: `{{ question }} Options: {{ options | "
                    + "join(', ') }}`"
            ).from(.apus),
            .optionalText(
                "answer_template", \.answerTemplate,
                "the reference answer, made in the same way: `{{ answer | upper }}`"
            ).from(.apus),
            .optionalText(
                "row_filter", \.rowFilter,
                "which rows stay: an expression over columns such as `level >= 4 and 'proof' not in question`"
            ).from(.apus),
            .optionalText(
                "answer_column", \.answerColumn,
                "the column with the reference answer, which rewards see as `answer`; null is the column of that name, where "
                    + "the data have one"
            ).from(.apus),
            SettingDeclaration(
                "answer_extraction", \.answerExtraction,
                .choice(ColumnMapping.AnswerExtraction.allCases.map(\.rawValue), false: "none"),
                "`after_hashes` takes the text after the last `####`, as GSM8K marks its answers, `boxed` what the last "
                    + "`\\boxed{}` holds, `last_number` the last number"
            ).from(.apus),
            .optionalText("system_prompt", \.systemPrompt, "a system message before every prompt").from(.apus),
            SettingDeclaration(
                "chat_template_kwargs", \.templateArguments, .mapping,
                "what the chat template may read beside the messages, such as `{enable_thinking: false}`; a column of that name, "
                    + "or one of text that the template reads, says it for a row"),
            SettingDeclaration(
                "reward_funcs", \.rewardFunctions, .rewardList,
                "built-in functions and sets of them (below), ones with parameters, Python functions "
                    + "(`rewards.py:f`), servers (`http://…`)"
            ).also("reward_functions").otherDefault("the five rewards of the tutorial"),
            .number(
                "reward_timeout", \.rewardTimeout, .above(0, smallest: 1e-3, " seconds"),
                "seconds for one call of a Python function or a server"
            ).from(.apus),
            .integer(
                "reward_workers", \.rewardWorkers, .count(limit: 1024),
                "processes among which Python functions are dealt out"
            ).from(.apus),
            SettingDeclaration(
                "reward_memory_limit", \.rewardMemoryLimit, .limit(.above(0, smallest: 1e-3, " GiB, or none")),
                "GiB of address space for each of these processes; `none` for no limit"
            ).from(.apus),
            .optionalPath(
                "python", \.python,
                "the interpreter of Python functions; null is that of the active virtual environment, else `python3`"
            ).from(.apus),
        ])

    private static let evaluation = SettingDeclaration<RunSettings>.in(
        .evaluation,
        [
            .optionalPath(
                "eval_dataset_name", \.evaluationDataset,
                "data with the columns of the training data, named as `dataset_name` is (of several splits, `dataset_test_split`), or "
                    + "`arithmetic` for held-out problems of the built-in kind"
            ).from(.apus).also("eval_dataset").also("eval_dataset_path"),
            .optionalNumber(
                "eval_size", \.evaluationSize, .finite(limit: 1e7),
                "without `eval_dataset_name`: so many rows of the training file (below 1, a share) are split off, drawn by "
                    + "the seed. With it: its first so many rows. Of built-in problems: how many (null is 256)"
            ).from(.apus).standIn("test_split_size"),
        ])

    private static let sharing = SettingDeclaration<RunSettings>.in(
        .checkpoints,
        [
            .flag(
                "push_to_hub", \.pushesToHub,
                "give the last checkpoint to the hub when the run has ended, as `apus push` does ([hub.md](hub.md))"),
            .optionalText(
                "hub_model_id", \.hubModel, "the repository that it goes to, `org/name`; it is made if there is none"),
            .optionalText("hub_revision", \.hubRevision, "its branch; null is `main`"),
            .flag("hub_private_repo", \.isPrivateOnHub, "whether a repository that is made is for its owners alone")
                .otherDefault("TRL's null leaves it to the account"),
        ])

    private static let display = SettingDeclaration<RunSettings>.in(
        .log,
        [
            .optionalText("run_name", \.runName, "what the trackers of `report_to` call the run"),
            .text(
                "project", \.project,
                "the project that these trackers file it under, where the package's own variable names none"),
            .optionalText(
                "trackio_space_id", \.trackioSpace, "the Space on the Hugging Face Hub that Trackio shows the run in"
            ),
            .flag("disable_tqdm", \.disablesProgress, "plain lines only, also on a terminal")
                .otherDefault("TRL's null is false as well"),
        ])
}
