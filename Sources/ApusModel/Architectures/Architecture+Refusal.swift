extension Architecture {
    /// Families that are known and not supported, each with a dense one of the same kind that is.
    private static let standIns = [
        "mixtral": "Mistral-7B", "qwen2_moe": "Qwen2.5", "qwen3_moe": "Qwen3", "qwen3_next": "Qwen3",
        "phimoe": "Phi-3.5-mini",
        "granitemoe": "Granite 3 (dense)", "granitemoeshared": "Granite 3 (dense)", "olmoe": "OLMo 2",
        "gpt_oss": "Qwen3",
        "deepseek_v2": "Qwen2.5", "deepseek_v3": "a distilled model such as DeepSeek-R1-Distill-Qwen",
        "llama4": "Llama 3.1",
        "dbrx": "Llama 3.1", "ernie4_5_moe": "Qwen3", "glm4_moe": "Qwen3", "hunyuan_v1_moe": "Qwen3",
        "grok-1": "Llama 3.1",
    ]

    /// Why a family cannot be used, and what can.
    static func refusal(of name: String) -> String {
        if let standIn = standIns[name] {
            return "is '\(name)', a mixture of experts, which is not supported; take a dense model such as \(standIn)"
        }
        return "is '\(name)', supported are \(all.map(\.name).joined(separator: ", "))"
    }
}
