import Foundation

/// How the frequencies of the rotary embedding are stretched for contexts longer than the model was trained on.
public enum RopeScaling: Sendable, Equatable {
    /// As they are.
    case none
    /// All divided by `factor`.
    case linear(factor: Double)
    /// Llama 3.1: long wavelengths divided by `factor`, short ones kept, a ramp between.
    ///
    /// `low` and `high` are `low_freq_factor` and `high_freq_factor`; `original` is the context of the first training, in tokens.
    case llama3(factor: Double, low: Double, high: Double, original: Int)
    /// One divisor a frequency, as GGUF stores Llama 3.1's rule in `rope_freqs.weight`; `headSize / 2` of them.
    case divisors([Float])
}

extension ModelConfiguration {
    /// The rotary frequencies in radians a position, `headSize / 2` of them, fastest first.
    ///
    /// Computed in double precision and rounded once.
    package func ropeInverseFrequencies() -> [Float] {
        (0..<headSize / 2).map { i in
            let frequency = pow(ropeTheta, -2 * Double(i) / Double(headSize))
            return Float(frequency / ropeScaling.divisor(of: frequency, at: i))
        }
    }

    /// What each rotary frequency is divided by, `headSize / 2` of them: GGUF's `rope_freqs.weight`.
    package func ropeDivisors() -> [Float] {
        (0..<headSize / 2).map { i in
            Float(ropeScaling.divisor(of: pow(ropeTheta, -2 * Double(i) / Double(headSize)), at: i))
        }
    }
}

extension RopeScaling {
    /// What the `index`-th frequency is divided by.
    fileprivate func divisor(of frequency: Double, at index: Int) -> Double {
        switch self {
        case .none:
            return 1
        case .linear(let factor):
            return factor
        case .divisors(let divisors):
            return Double(divisors[index])
        case .llama3(let factor, let low, let high, let original):
            let wavelength = 2 * Double.pi / frequency
            if wavelength < Double(original) / high { return 1 }
            if wavelength > Double(original) / low { return factor }
            let smooth = (Double(original) / wavelength - low) / (high - low)
            return 1 / ((1 - smooth) / factor + smooth)
        }
    }

    /// What is wrong with the constants, if anything.
    func fault(headSize: Int) -> String? {
        func isUsable(_ value: Double) -> Bool { value.isFinite && value > 0 }
        switch self {
        case .none:
            return nil
        case .linear(let factor):
            return isUsable(factor) ? nil : "rope scaling factor is \(factor), wanted a number above 0"
        case .divisors(let divisors):
            guard divisors.count == headSize / 2 else {
                return "rope_freqs.weight has \(divisors.count) divisors, wanted \(headSize / 2)"
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
        }
    }
}
