package import ApusData

/// The shape of the learning rate over a run, by Transformers' names.
public enum ScheduleKind: String, Codable, Sendable, SettingChoice {
    /// Falls to 0 in a straight line.
    case linear
    /// Falls to 0 along a cosine.
    case cosine
    /// Falls along a cosine, `num_cycles` times over.
    case cosineWithRestarts = "cosine_with_restarts"
    /// Falls to `lr_end` as a power of what is left.
    case polynomial
    /// Stays, without warm-up.
    case constant
    /// Stays.
    case constantWithWarmup = "constant_with_warmup"
    /// Falls as the inverse root of the step.
    case inverseSqrt = "inverse_sqrt"
    /// Falls along a cosine to `min_lr`, or to the share `min_lr_rate`.
    case cosineWithMinLR = "cosine_with_min_lr"
    /// The same one step ahead, with a warm-up that begins at `warmup_lr_rate`.
    case cosineWarmupWithMinLR = "cosine_warmup_with_min_lr"
    /// Stays, and falls in the last `num_decay_steps`.
    case warmupStableDecay = "warmup_stable_decay"
    /// Stays, and is multiplied by `factor` whenever evaluations have not become better for long.
    case reduceOnPlateau = "reduce_lr_on_plateau"

    /// The arguments that a schedule of this kind takes, by key.
    var argumentNames: Set<String> {
        switch self {
        case .linear, .constant, .constantWithWarmup: []
        case .cosine, .cosineWithRestarts: ["num_cycles"]
        case .polynomial: ["lr_end", "power"]
        case .inverseSqrt: ["timescale"]
        case .cosineWithMinLR: ["num_cycles", "min_lr", "min_lr_rate"]
        case .cosineWarmupWithMinLR: ["num_cycles", "min_lr", "min_lr_rate", "warmup_lr_rate"]
        case .warmupStableDecay:
            ["num_decay_steps", "num_stable_steps", "warmup_type", "decay_type", "min_lr_ratio", "num_cycles"]
        case .reduceOnPlateau:
            ["mode", "factor", "patience", "threshold", "threshold_mode", "cooldown", "min_lr", "eps"]
        }
    }
}

/// How a rate rises or falls between two steps.
public enum RampShape: String, Codable, Sendable, SettingChoice {
    /// In a straight line.
    case linear
    /// Along a cosine.
    case cosine
    /// As 1 less a root.
    case oneMinusSqrt = "1-sqrt"
}

/// Which values of a metric are better.
public enum PlateauMode: String, Codable, Sendable, SettingChoice {
    /// Smaller ones.
    case min
    /// Larger ones.
    case max
}

/// How a threshold is meant.
public enum ThresholdMode: String, Codable, Sendable, SettingChoice {
    /// As a share of the best value.
    case relative = "rel"
    /// As a difference.
    case absolute = "abs"
}

/// What some schedules take beside their kind: `lr_scheduler_kwargs`, by Transformers' names. What is `nil` has the default of
/// the schedule.
public struct ScheduleArguments: DeclaredSettings {
    /// Waves, or restarts; 0.5 is the half wave that falls to 0.
    public var numCycles: Double?
    /// The rate that a polynomial ends with.
    public var lrEnd: Double?
    /// The polynomial's power.
    public var power: Double?
    /// Steps in which an inverse root halves its square.
    public var timescale: Int?
    /// The smallest rate.
    public var minLR: Double?
    /// The smallest rate as a share of the peak.
    public var minLRRate: Double?
    /// The share of the peak that the warm-up begins with.
    public var warmupLRRate: Double?
    /// Steps at the end in which the rate falls.
    public var numDecaySteps: Int?
    /// Steps in which it stays; `nil` is what the others leave.
    public var numStableSteps: Int?
    /// The shape of the warm-up.
    public var warmupType: RampShape?
    /// The shape of the fall.
    public var decayType: RampShape?
    /// The smallest rate as a share of the peak, of `warmup_stable_decay`.
    public var minLRRatio: Double?
    /// Whether less or more of the metric is better; `nil` is what `greater_is_better` says.
    public var mode: PlateauMode?
    /// What the rate is multiplied by.
    public var factor: Double?
    /// Evaluations without a better value before that.
    public var patience: Int?
    /// How much better a value must be to count.
    public var threshold: Double?
    /// Whether that is a share of the best value or a difference.
    public var thresholdMode: ThresholdMode?
    /// Evaluations after a reduction that do not count.
    public var cooldown: Int?
    /// A smaller reduction is not made.
    public var eps: Double?

    /// The schedules' own defaults.
    public init() {}

    /// Every argument.
    public static let declarations: [SettingDeclaration<ScheduleArguments>] = [
        .optionalNumber("num_cycles", \.numCycles, .atLeast(0), "waves or restarts"),
        .optionalNumber("lr_end", \.lrEnd, .atLeast(0), "the rate that a polynomial ends with"),
        .optionalNumber("power", \.power, .atLeast(0, limit: 1e3), "the polynomial's power"),
        .optionalInteger("timescale", \.timescale, .count(limit: Int(Int32.max)), "of the inverse root"),
        .optionalNumber("min_lr", \.minLR, .atLeast(0), "the smallest rate"),
        .optionalNumber("min_lr_rate", \.minLRRate, .from(0, to: 1), "the same as a share of the peak"),
        .optionalNumber("warmup_lr_rate", \.warmupLRRate, .from(0, to: 1), "the share that the warm-up begins with"),
        .optionalInteger(
            "num_decay_steps", \.numDecaySteps, .atLeast(0, limit: Double(Int32.max)), "steps of the fall"),
        .optionalInteger(
            "num_stable_steps", \.numStableSteps, .atLeast(0, limit: Double(Int32.max)), "steps before it"),
        SettingDeclaration("warmup_type", \.warmupType, RampShape.kind, "the shape of the warm-up"),
        SettingDeclaration("decay_type", \.decayType, RampShape.kind, "the shape of the fall"),
        .optionalNumber("min_lr_ratio", \.minLRRatio, .from(0, to: 1), "the smallest rate as a share of the peak"),
        SettingDeclaration("mode", \.mode, PlateauMode.kind, "whether less or more is better"),
        .optionalNumber("factor", \.factor, .decay, "what the rate is multiplied by"),
        .optionalInteger(
            "patience", \.patience, .atLeast(0, limit: Double(Int32.max)), "evaluations without a better value"),
        .optionalNumber("threshold", \.threshold, .atLeast(0), "how much better counts"),
        SettingDeclaration("threshold_mode", \.thresholdMode, ThresholdMode.kind, "a share or a difference"),
        .optionalInteger(
            "cooldown", \.cooldown, .atLeast(0, limit: Double(Int32.max)), "evaluations that do not count"),
        .optionalNumber("eps", \.eps, .atLeast(0), "a smaller reduction is not made"),
    ]

    /// The arguments that are given, by key.
    var given: [String: JSONValue] { members.filter { $0.value != .null } }

    /// Checks that a schedule takes these arguments and has those that it needs.
    /// - Throws: ``ConfigurationError`` that names what it takes.
    func validate(for kind: ScheduleKind, peak: Double) throws(ConfigurationError) {
        func refuse(_ value: String, _ rule: String) -> ConfigurationError {
            ConfigurationError(key: "lr_scheduler_kwargs", value: value, rule: rule)
        }
        let taken = kind.argumentNames
        if let other = given.keys.sorted().first(where: { !taken.contains($0) }) {
            let choices = taken.isEmpty ? "it takes none" : "it takes \(taken.sorted().joined(separator: ", "))"
            throw refuse(other, "is no argument of \(kind.rawValue): \(choices)")
        }
        switch kind {
        case .cosineWithMinLR, .cosineWarmupWithMinLR:
            guard (minLR == nil) != (minLRRate == nil) else {
                throw refuse(minLR == nil ? "neither" : "both", "of min_lr and min_lr_rate: \(kind.rawValue) needs one")
            }
        case .warmupStableDecay where numDecaySteps == nil:
            throw refuse("no num_decay_steps:", "warmup_stable_decay needs it")
        case .polynomial:
            let end = lrEnd ?? LearningRateSchedule.polynomialEnd
            guard end < peak else { throw refuse("lr_end \(end)", "must be below learning_rate \(peak)") }
        default: break
        }
    }
}

extension ScheduleArguments: SettingValue {
    package init?(setting: JSONValue) {
        if case .null = setting {
            self.init()
            return
        }
        guard let members = setting.object, let value = try? ScheduleArguments(laying: members) else {
            return nil
        }
        self = value
    }

    package var setting: JSONValue { given.isEmpty ? .null : .object(given) }
}
