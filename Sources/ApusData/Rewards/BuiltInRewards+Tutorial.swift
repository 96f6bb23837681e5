extension BuiltInRewards {
    /// The Unsloth GRPO tutorial's functions, exactly as Python computes them.
    static let tutorial: [Reward] = [
        // 0.25 for each of the four tags that occurs exactly once.
        format("xmlcount_reward_func", maximum: 1) { text in
            let tags = ["<reasoning>", "</reasoning>", "<answer>", "</answer>"]
            return 0.25 * Double(tags.count { text.count($0) == 1 })
        },
        // re.search(r"<reasoning>.*?</reasoning>\s*<answer>.*?</answer>", text)
        format("soft_format_reward_func") { text in
            TaggedFormat.matchesSoft(text, dot: .staysOnLine, anchor: .anywhere) ? 0.5 : 0
        },
        // re.match(r"^<reasoning>\n.*?\n</reasoning>\n<answer>\n.*?\n</answer>\n$", text)
        format("strict_format_reward_func") { text in
            TaggedFormat.matchesStrict(text, dot: .staysOnLine) ? 0.5 : 0
        },
        format("int_reward_func") { text in
            TaggedAnswer.extract(from: text, untagged: .empty).isDigits ? 0.5 : 0
        },
        graded("correctness_reward_func") { text, answer in
            TaggedAnswer.extract(from: text, untagged: .empty) == answer ? 2 : 0
        },
    ]
}
