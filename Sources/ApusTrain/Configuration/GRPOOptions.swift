/// The forms of the GRPO loss, computed as TRL 1.16 does.
public enum LossType: String, Codable, Sendable, SettingChoice {
    /// Mean over completions of the mean over tokens (DeepSeekMath, Shao et al. 2024).
    case grpo
    /// Sum over tokens divided by rows times the longest completion allowed: no bias towards short completions (Dr. GRPO,
    /// Liu et al. 2025).
    case drGRPO = "dr_grpo"
    /// Mean over the tokens of the accumulation window (DAPO, Yu et al. 2025).
    case dapo
    /// Mean over the tokens of the micro-batch.
    case bnpo
    /// Clipped importance weights, without a gradient, times the log-probabilities (MiniMax-M1, 2025).
    case cispo
    /// A sigmoid gate instead of clipping.
    case sapo
    /// Sum over tokens, mean over completions.
    case luspo
    /// Variational sequence-level weights on the log-probabilities.
    case vespo

    /// Whether the ratio is clipped to `1 - epsilon ... 1 + epsilon_high`.
    var clipsRatio: Bool {
        switch self {
        case .grpo, .bnpo, .drGRPO, .dapo, .luspo: true
        case .cispo, .sapo, .vespo: false
        }
    }

    /// Whether the divisor counts the tokens of the whole generation batch.
    var dividesByItemCount: Bool {
        switch self {
        case .dapo, .cispo, .vespo: true
        case .grpo, .bnpo, .drGRPO, .sapo, .luspo: false
        }
    }
}

/// Where the importance ratio is taken.
public enum ImportanceSamplingLevel: String, Codable, Sendable, SettingChoice {
    /// One ratio a token.
    case token
    /// One ratio a completion: the exponential of the mean log-ratio (GSPO).
    case sequence
}

/// What centred rewards are divided by. Reads TRL's booleans too: `true` is `group`, `false` is `none`.
public enum RewardScaling: String, Codable, Sendable, SettingChoice {
    /// The standard deviation of the row's group.
    case group
    /// The standard deviation of the whole generation batch.
    case batch
    /// Nothing.
    case none

    package static var flags: (true: RewardScaling?, false: RewardScaling?) { (.group, RewardScaling.none) }
}

/// How several rewards become one advantage.
public enum RewardAggregation: String, Codable, Sendable, SettingChoice {
    /// Weighted sum, then normalise it.
    case sumThenNormalize = "sum_then_normalize"
    /// Normalise each reward in its group, then take the weighted sum (GDPO).
    case normalizeThenSum = "normalize_then_sum"
}

/// When checkpoints are written.
public enum SaveStrategy: String, Codable, Sendable, SettingChoice {
    /// Never.
    case no
    /// Every `save_steps` and at the end.
    case steps
    /// At the end of each epoch.
    case epoch

    package static var flags: (true: SaveStrategy?, false: SaveStrategy?) { (nil, .no) }
}

/// What a run does when the disk refuses a checkpoint or a log line.
public enum SaveFailureResponse: String, Codable, Sendable, SettingChoice {
    /// Stop; earlier checkpoints are intact.
    case stop
    /// Warn and go on to the next save. The last save of a run must succeed all the same.
    case `continue`
}

/// What happens to a prompt that is longer than `max_prompt_length`, or that leaves no room for a completion in the model's
/// context.
public enum OverlongPromptPolicy: String, Codable, Sendable, SettingChoice {
    /// It loses its first tokens, down to `max_prompt_length`, with a warning that counts; one that does not fit the context
    /// then is an error.
    case cut
    /// It is left out of the data, with a warning that counts (verl's `filter_overlong_prompts`).
    case drop
    /// The run does not begin.
    case error
}

/// What happens after `max_skipped_steps` steps in a row whose loss or gradient is not finite.
public enum NotFiniteResponse: String, Codable, Sendable, SettingChoice {
    /// The run stops.
    case stop
    /// Adapter and optimizer go back to the newest checkpoint from before the last step that changed them, and the run goes on
    /// with the next prompts; it stops when there is none.
    case restore
}
