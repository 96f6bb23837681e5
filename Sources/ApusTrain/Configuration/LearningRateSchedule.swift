import Foundation

/// The learning rate of each optimizer step.
struct LearningRateSchedule: Sendable {
    let kind: ScheduleKind
    let peak: Double
    let warmupSteps: Int
    let maxSteps: Int

    init(kind: ScheduleKind, peak: Double, warmupSteps: Int, maxSteps: Int) {
        self.kind = kind
        self.peak = peak
        self.warmupSteps = warmupSteps
        self.maxSteps = maxSteps
    }

    init(_ settings: some OptimizerSettings, maxSteps: Int) {
        self.init(
            kind: settings.lrSchedulerType, peak: settings.learningRate,
            warmupSteps: Self.warmupSteps(settings, maxSteps: maxSteps), maxSteps: maxSteps)
    }

    /// `warmup_steps`, which below 1 is a share of all steps; `warmup_ratio` where it is not given.
    static func warmupSteps(_ settings: some OptimizerSettings, maxSteps: Int) -> Int {
        let steps = settings.warmupSteps
        if steps >= 1 { return Int(steps) }
        return Int((Double(maxSteps) * (steps > 0 ? steps : settings.warmupRatio)).rounded(.up))
    }

    /// The rate of the optimizer step with this index, from 0. With warm-up the first step's rate is 0.
    func learningRate(step: Int) -> Double { peak * multiplier(step: step) }

    /// The rate as a share of the peak.
    func multiplier(step: Int) -> Double {
        if kind != .constant, step < warmupSteps { return Double(step) / Double(max(1, warmupSteps)) }
        let progress = Double(step - warmupSteps) / Double(max(1, maxSteps - warmupSteps))
        switch kind {
        case .linear: return max(0, 1 - progress)
        case .cosine: return max(0, 0.5 * (1 + cos(.pi * progress)))
        case .constant, .constantWithWarmup: return 1
        }
    }
}
