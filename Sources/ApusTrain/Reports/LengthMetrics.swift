import ApusGeneration

/// What TRL logs about the lengths of completions.
enum LengthMetrics {
    /// Names and values in TRL's order.
    static func metrics(_ completions: [Completion]) -> [(name: String, value: Double)] {
        let lengths = completions.map { Double($0.tokens.count) }
        let terminated = completions.filter { !$0.isTruncated }.map { Double($0.tokens.count) }
        return [
            ("completions/mean_length", lengths.mean),
            ("completions/min_length", lengths.min() ?? 0),
            ("completions/max_length", lengths.max() ?? 0),
            ("completions/clipped_ratio", 1 - Double(terminated.count) / Double(lengths.count)),
            ("completions/mean_terminated_length", terminated.isEmpty ? 0 : terminated.mean),
            ("completions/min_terminated_length", terminated.min() ?? 0),
            ("completions/max_terminated_length", terminated.max() ?? 0),
            // What TRL called the mean length up to 0.16, and Unsloth still does.
            ("completion_length", lengths.mean),
        ]
    }
}
