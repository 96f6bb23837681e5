import Foundation

/// The learning rate of each optimizer step, as Transformers computes it.
struct LearningRateSchedule: Sendable {
    let kind: ScheduleKind
    let arguments: ScheduleArguments
    let peak: Double
    let warmupSteps: Int
    let maxSteps: Int
    /// Of the metric that a plateau is of.
    var greaterIsBetter = true

    /// What a polynomial ends with when nobody says.
    static let polynomialEnd = 1e-7

    init(
        kind: ScheduleKind, arguments: ScheduleArguments = ScheduleArguments(), peak: Double, warmupSteps: Int,
        maxSteps: Int
    ) {
        self.kind = kind
        self.arguments = arguments
        self.peak = peak
        self.warmupSteps = warmupSteps
        self.maxSteps = maxSteps
    }

    init(_ settings: OptimizerSettings, maxSteps: Int) {
        self.init(
            kind: settings.lrSchedulerType, arguments: settings.lrSchedulerArguments, peak: settings.learningRate,
            warmupSteps: Self.warmupSteps(settings, maxSteps: maxSteps), maxSteps: maxSteps)
    }

    /// `warmup_steps`, which below 1 is a share of all steps; `warmup_ratio` where it is not given.
    static func warmupSteps(_ settings: OptimizerSettings, maxSteps: Int) -> Int {
        let steps = settings.warmupSteps
        let number =
            steps >= 1 ? steps : (Double(maxSteps) * (steps > 0 ? steps : settings.warmupRatio)).rounded(.up)
        return number.wholeNumber(in: 0...Int(Int32.max))
    }

    /// The rate of the optimizer step with this index, from 0. With warm-up the first step's rate is mostly 0.
    /// - Parameter evaluations: the metric of all evaluations before it, for the kind that follows them.
    func learningRate(step: Int, evaluations: [Double] = []) -> Double {
        guard kind == .reduceOnPlateau else { return peak * multiplier(step: step) }
        return PlateauReduction(arguments: arguments, peak: peak, greaterIsBetter: greaterIsBetter)
            .rate(after: evaluations)
    }

    /// The rate as a share of the peak.
    func multiplier(step: Int) -> Double {
        switch kind {
        case .constant, .reduceOnPlateau: return 1
        case .warmupStableDecay: return warmupStableDecay(step)
        case .cosineWarmupWithMinLR where step < warmupSteps: return lateWarmup(step)
        default: break
        }
        if step < warmupSteps { return Double(step) / Double(max(1, warmupSteps)) }
        let left = Double(max(1, maxSteps - warmupSteps))
        let progress = Double(step - warmupSteps) / left
        switch kind {
        case .linear: return max(0, 1 - progress)
        case .cosine, .cosineWithMinLR: return max(0, floored(cosine(progress)))
        case .cosineWarmupWithMinLR: return max(0, floored(cosine(progress + 1 / left)))
        case .cosineWithRestarts:
            let place = (arguments.numCycles ?? 1) * progress
            return progress >= 1 ? 0 : max(0, 0.5 * (1 + cos(.pi * (place - place.rounded(.down)))))
        case .polynomial: return polynomial(step, progress)
        case .inverseSqrt: return inverseSqrt(step)
        case .constant, .constantWithWarmup, .warmupStableDecay, .reduceOnPlateau: return 1
        }
    }

    private func cosine(_ progress: Double) -> Double {
        0.5 * (1 + cos(.pi * (arguments.numCycles ?? 0.5) * 2 * progress))
    }

    /// A share that falls to 0, falling to the smallest rate instead.
    private func floored(_ share: Double) -> Double {
        let least = arguments.minLRRate ?? arguments.minLR.map { $0 / peak } ?? 0
        return share * (1 - least) + least
    }

    private func lateWarmup(_ step: Int) -> Double {
        guard let begin = arguments.warmupLRRate else { return Double(step + 1) / Double(max(1, warmupSteps)) }
        return begin + (1 - begin) * Double(step) / Double(max(1, warmupSteps - 1))
    }

    private func polynomial(_ step: Int, _ progress: Double) -> Double {
        let end = arguments.lrEnd ?? Self.polynomialEnd
        guard step <= maxSteps else { return end / peak }
        return ((peak - end) * pow(1 - progress, arguments.power ?? 1) + end) / peak
    }

    private func inverseSqrt(_ step: Int) -> Double {
        let scale = arguments.timescale ?? (warmupSteps > 0 ? warmupSteps : 10_000)
        return 1 / (Double(step + scale - warmupSteps) / Double(scale)).squareRoot()
    }

    private func warmupStableDecay(_ step: Int) -> Double {
        let least = arguments.minLRRatio ?? 0
        let decay = arguments.numDecaySteps ?? 0
        let stable = arguments.numStableSteps ?? maxSteps - warmupSteps - decay
        func floored(_ share: Double) -> Double { max(0, share * (1 - least) + least) }
        if step < warmupSteps {
            let progress = Double(step) / Double(max(1, warmupSteps))
            switch arguments.warmupType ?? .linear {
            case .linear: return floored(progress)
            case .cosine: return floored(0.5 * (1 - cos(.pi * progress)))
            case .oneMinusSqrt: return floored(1 - (1 - progress).squareRoot())
            }
        }
        if step < warmupSteps + stable { return 1 }
        guard step < warmupSteps + stable + decay else { return least }
        let progress = Double(step - warmupSteps - stable) / Double(max(1, decay))
        switch arguments.decayType ?? .cosine {
        case .linear: return floored(1 - progress)
        case .cosine: return floored(cosine(progress))
        case .oneMinusSqrt: return floored(1 - progress.squareRoot())
        }
    }
}
