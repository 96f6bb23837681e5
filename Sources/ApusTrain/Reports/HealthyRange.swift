/// The values of a metric that a run which learns usually shows.
///
/// Experience, not theory: a value outside is a reason to look, not an error. docs/watching.md says what each metric means and
/// what to change.
public struct HealthyRange: Sendable, Equatable {
    /// The smallest value that is usual.
    public var lower: Double
    /// The largest value that is usual.
    public var upper: Double

    /// Whether a value is usual.
    public func contains(_ value: Double) -> Bool { value >= lower && value <= upper }

    /// The range of a metric; nil for one that has no usual values, such as a reward.
    /// - Parameter metric: the name in the log, as TRL spells it.
    public static func range(of metric: String) -> HealthyRange? { table[metric] }

    /// Every range, by metric.
    public static let table: [String: HealthyRange] = [
        "frac_reward_zero_std": HealthyRange(lower: 0, upper: 0.8),
        "entropy": HealthyRange(lower: 0.05, upper: 0.5),
        "grad_norm": HealthyRange(lower: 0.001, upper: 1),
        "clip_ratio/region_mean": HealthyRange(lower: 0, upper: 0.1),
        "completions/clipped_ratio": HealthyRange(lower: 0, upper: 0.3),
        "kl": HealthyRange(lower: 0, upper: 0.5),
    ]
}
