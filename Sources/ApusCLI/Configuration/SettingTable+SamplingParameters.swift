/// What stands inside `generation_kwargs` (transformers) and `vllm_sampling_params` (vLLM): parameters that Apus has under a name
/// of its own, ones that change nothing here, and ones that would change what is sampled and are refused.
extension SettingTable {
    static let samplingParameters = SettingIndex(mappedParameters + acceptedParameters + refusedParameters)

    private static let mappedParameters: [Setting] = [
        ("temperature", "temperature"), ("top_p", "top_p"), ("top_k", "top_k"), ("min_p", "min_p"),
        ("repetition_penalty", "repetition_penalty"), ("max_tokens", "max_completion_length"),
        ("max_new_tokens", "max_completion_length"), ("max_completion_length", "max_completion_length"),
        ("stop", "stop"), ("stop_strings", "stop"),
    ].map { Setting($0, .alias(of: $1)) }

    private static let acceptedParameters: [Setting] = [
        Setting("seed", .ignored(notice: "completions are drawn by the run's seed")),
        Setting(
            "include_stop_str_in_output",
            .ignored(
                unless: ["true"], notice: "a stop text stays in the completion, as the tokens do that TRL trains on")),
        Setting("skip_special_tokens", .ignored(unless: ["true"], notice: text)),
        Setting("spaces_between_special_tokens", .ignored(unless: ["true"], notice: text)),
        Setting("detokenize", .ignored(unless: ["true"], notice: text)),
        Setting("logprobs", .ignored(unless: ["0"], notice: logProbs)),
        Setting("prompt_logprobs", .ignored(unless: ["0"], notice: logProbs)),
        Setting("output_scores", .ignored(unless: ["false"], notice: logProbs)),
        Setting("return_dict_in_generate", .ignored(notice: logProbs)),
        Setting("use_cache", .ignored(unless: ["true"], notice: "keys and values are always kept while sampling")),
        Setting("eos_token_id", .ignored(notice: tokens)),
        Setting("pad_token_id", .ignored(notice: tokens)),
        Setting("bos_token_id", .ignored(notice: tokens)),
    ]

    private static let refusedParameters: [Setting] = [
        Setting("n", .refused(unless: ["1"], reason: "num_generations says how many completions a prompt has")),
        Setting("num_return_sequences", .refused(unless: ["1"], reason: "num_generations says how many")),
        Setting("best_of", .refused(unless: ["1"], reason: "all completions of a group are trained on")),
        Setting("do_sample", .refused(unless: ["true"], reason: "a group of greedy completions is one completion")),
        Setting("num_beams", .refused(unless: ["1"], reason: "completions are sampled")),
        Setting("min_tokens", .refused(unless: ["0"], reason: "an end token may come at any time")),
        Setting("min_new_tokens", .refused(unless: ["0"], reason: "an end token may come at any time")),
        Setting("ignore_eos", .refused(unless: ["false"], reason: "a completion ends with its end token")),
        Setting("stop_token_ids", .refused(unless: ["[]"], reason: "give the text of such a token as stop")),
        Setting("frequency_penalty", .refused(unless: ["0", "0.0"], reason: filter)),
        Setting("presence_penalty", .refused(unless: ["0", "0.0"], reason: filter)),
        Setting("length_penalty", .refused(unless: ["1", "1.0"], reason: filter)),
        Setting("typical_p", .refused(unless: ["1", "1.0"], reason: filter)),
        Setting("no_repeat_ngram_size", .refused(unless: ["0"], reason: filter)),
        Setting("bad_words", .refused(unless: ["[]"], reason: filter)),
        Setting("logit_bias", .refused(unless: [], reason: filter)),
        Setting("guided_decoding", .refused(unless: [], reason: filter)),
        Setting("structured_outputs", .refused(unless: [], reason: filter)),
    ]

    private static let text = "rewards see the text of a completion without special tokens"
    private static let logProbs = "the sampler's log-probabilities are always kept"
    private static let tokens = "the tokens with a role are those of the model's files"
    private static let filter =
        "it is not supported; temperature, top_k, top_p, min_p, repetition_penalty and stop shape what is sampled"
}
