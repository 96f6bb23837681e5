internal import Foundation

/// How the frequencies of a rotary embedding are stretched for contexts longer than the model was first trained on.
public enum RopeScaling: Sendable, Equatable {
    /// As they are.
    case none
    /// All divided by `factor`.
    case linear(factor: Double)
    /// By a larger theta (NTK) in contexts beyond `original`: `context` is the longest of a run.
    case dynamic(factor: Double, original: Int, context: Int)
    /// Llama 3.1: long wavelengths divided by `factor`, short ones kept, a ramp between.
    ///
    /// `low` and `high` are `low_freq_factor` and `high_freq_factor`; `original` is the context of the first training, in tokens.
    case llama3(factor: Double, low: Double, high: Double, original: Int)
    /// One divisor a frequency, as GGUF stores Llama 3.1's rule in `rope_freqs.weight`.
    case divisors([Float])
    /// YaRN (Peng et al. 2023): by parts, with a ramp over the frequencies.
    case yarn(YarnScaling)
    /// LongRoPE (Ding et al. 2024): divisors found by search, one list for short contexts and one for long ones.
    case long(LongRopeScaling)
}

/// The constants of YaRN.
public struct YarnScaling: Sendable, Equatable {
    /// Long wavelengths are divided by it.
    public var factor: Double
    /// The context of the first training, in tokens.
    public var original: Int
    /// Rotations in the original context from which on a frequency is kept.
    public var betaFast = 32.0
    /// Rotations up to which a frequency is divided.
    public var betaSlow = 1.0
    /// What cosines and sines are multiplied by.
    public var amplitude: Double
    /// Whether the ramp begins and ends at whole frequencies.
    public var truncates = true

    /// The paper's constants.
    package init(factor: Double, original: Int, amplitude: Double? = nil) {
        self.factor = factor
        self.original = original
        self.amplitude = amplitude ?? Self.amplitude(factor, 1)
    }

    /// The paper's rule for a factor.
    package static func amplitude(_ factor: Double, _ scale: Double) -> Double {
        factor <= 1 ? 1 : 0.1 * scale * log(factor) + 1
    }
}

/// The constants of LongRoPE.
public struct LongRopeScaling: Sendable, Equatable {
    /// Divisors of the frequencies for contexts up to `original`.
    public var short: [Double]
    /// Divisors for longer ones.
    public var long: [Double]
    /// The context of the first training, in tokens.
    public var original: Int
    /// What cosines and sines are multiplied by.
    public var amplitude: Double
    /// Whether the long divisors hold: for all positions of a run, or keys of one would not fit queries of the other.
    public var isLong = false

    /// The rule for a context that is `factor` times the original one.
    static func amplitude(_ factor: Double, original: Int) -> Double {
        factor <= 1 ? 1 : (1 + log(factor) / log(Double(max(original, 2)))).squareRoot()
    }
}

extension RopeScaling {
    /// What the `index`-th frequency of an embedding is divided by.
    func divisor(of frequency: Double, at index: Int, _ rotary: RotaryEmbedding) -> Double {
        switch self {
        case .none: return 1
        case .linear(let factor): return factor
        case .divisors(let divisors): return Double(divisors[index])
        case .dynamic(let factor, let original, let context):
            let stretch = factor * Double(context) / Double(original) - (factor - 1)
            return pow(stretch, Double(2 * index) / Double(max(rotary.dimensions - 2, 1)))
        case .yarn(let yarn): return yarn.divisor(at: index, rotary)
        case .long(let long): return long.isLong ? long.long[index] : long.short[index]
        case .llama3(let factor, let low, let high, let original):
            let wavelength = 2 * Double.pi / frequency
            if wavelength < Double(original) / high { return 1 }
            if wavelength > Double(original) / low { return factor }
            let smooth = (Double(original) / wavelength - low) / (high - low)
            return 1 / ((1 - smooth) / factor + smooth)
        }
    }

    /// What is wrong with the constants, if anything.
    func fault(frequencies count: Int) -> String? {
        func isUsable(_ value: Double) -> Bool { Float(value).isFinite && Float(value) > 0 }
        switch self {
        case .none:
            return nil
        case .linear(let factor):
            return isUsable(factor) ? nil : "rope scaling factor is \(factor), wanted a number above 0"
        case .dynamic(let factor, let original, let context):
            return isUsable(factor) && factor >= 1 && original > 0 && context >= original
                ? nil : "dynamic rope scaling has factor \(factor) and context \(original), wanted both 1 or more"
        case .divisors(let divisors):
            guard divisors.count == count else {
                return "rope_freqs.weight has \(divisors.count) divisors, wanted \(count)"
            }
            return divisors.allSatisfy { isUsable(Double($0)) }
                ? nil : "rope_freqs.weight holds a divisor that is not above 0"
        case .llama3(let factor, let low, let high, let original):
            guard isUsable(factor), isUsable(low), isUsable(high), high > low, original > 0 else {
                return
                    "llama3 rope scaling has factor \(factor), low_freq_factor \(low), high_freq_factor \(high), original "
                    + "context \(original); wanted all above 0 and low below high"
            }
            return nil
        case .yarn(let yarn):
            let numbers = [yarn.factor, yarn.betaFast, yarn.betaSlow, yarn.amplitude]
            return numbers.allSatisfy(isUsable) && yarn.original > 0
                ? nil : "yarn rope scaling holds a number that is not above 0: \(yarn)"
        case .long(let long):
            for (name, list) in [("short_factor", long.short), ("long_factor", long.long)] {
                guard list.count == count else { return "\(name) has \(list.count) numbers, wanted \(count)" }
                guard list.allSatisfy(isUsable) else { return "\(name) holds a number that is not above 0" }
            }
            return isUsable(long.amplitude) && long.original > 0
                ? nil
                : "longrope scaling has factor \(long.amplitude) and original context \(long.original), wanted both above 0"
        }
    }
}

extension YarnScaling {
    /// Frequencies that turn often in the original context are kept, those that turn seldom are divided.
    fileprivate func divisor(at index: Int, _ rotary: RotaryEmbedding) -> Double {
        let dimensions = Double(rotary.dimensions)
        func place(_ rotations: Double) -> Double {
            dimensions * log(Double(original) / (rotations * 2 * .pi)) / (2 * log(rotary.theta))
        }
        var (low, high) = (place(betaFast), place(betaSlow))
        if truncates { (low, high) = (low.rounded(.down), high.rounded(.up)) }
        low = max(low, 0)
        high = min(high, dimensions - 1)
        if low == high { high += 0.001 }
        let ramp = min(1, max(0, (Double(index) - low) / (high - low)))
        return 1 / (ramp / factor + 1 - ramp)
    }
}
