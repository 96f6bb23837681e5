extension BuiltInRewards {
    /// The rewards that TRL's own command knows by name and that need no other package (trl 1.16's registry).
    static let trl: [any RewardFunction] = [
        // re.match(r"^<think>(?!.*<think>)(.*?)</think>.*$", text, re.DOTALL | re.MULTILINE)
        format("think_format_reward", maximum: 1) { text in
            let isThinking = text.hasPrefix(Array("<think>".unicodeScalars), at: 0) && text.count("<think>") == 1
            return isThinking && text.count("</think>") > 0 ? 1 : 0
        },
        SoftOverlongPunishment(maximum: 1280, cache: 256),
    ]
}

/// Takes up to 1 from completions that come near the longest length (DAPO: Yu et al., 2025, equation 13).
private struct SoftOverlongPunishment: RewardFunction {
    let name = "get_soft_overlong_punishment"
    let aim: RewardAim? = RewardAim(.form, maximum: 0)
    /// The longest completion in tokens, and within how many tokens of it the punishment grows.
    let maximum: Int
    let cache: Int

    func scores(_ context: RewardContext) -> [Double?] {
        context.completionTokens.map { tokens in
            let excess = tokens.count - (maximum - cache)
            return excess <= 0 ? 0 : excess <= cache ? -Double(excess) / Double(cache) : -1
        }
    }
}
