internal import Foundation

/// By which angles queries and keys are turned (Su et al. 2021): position times frequency, for pairs of a head's elements.
public struct RotaryEmbedding: Sendable, Equatable {
    /// The frequencies are powers of its inverse.
    public var theta: Double
    /// Elements of a head that are turned, from the first on; even.
    public var dimensions: Int
    /// How the frequencies are stretched.
    public var scaling: RopeScaling

    /// Frequencies of `dimensions` elements.
    package init(theta: Double, dimensions: Int, scaling: RopeScaling = .none) {
        self.theta = theta
        self.dimensions = dimensions
        self.scaling = scaling
    }

    /// The frequencies in radians a position, `dimensions / 2` of them, fastest first.
    ///
    /// Computed in double precision and rounded once.
    package var inverseFrequencies: [Float] {
        (0..<dimensions / 2).map { i in
            let frequency = pow(theta, -2 * Double(i) / Double(dimensions))
            return Float(frequency / scaling.divisor(of: frequency, at: i, self))
        }
    }

    /// What each frequency is divided by, `dimensions / 2` of them: GGUF's `rope_freqs.weight`.
    package var divisors: [Float] {
        (0..<dimensions / 2).map { i in
            Float(scaling.divisor(of: pow(theta, -2 * Double(i) / Double(dimensions)), at: i, self))
        }
    }

    /// What cosines and sines are multiplied by.
    package var amplitude: Float {
        switch scaling {
        case .none, .linear, .dynamic, .llama3, .divisors: 1
        case .yarn(let yarn): Float(yarn.amplitude)
        case .long(let long): Float(long.amplitude)
        }
    }

    /// What is wrong with the constants, if anything.
    func fault(headSize: Int) -> String? {
        guard theta.isFinite, theta > 0 else { return "rope theta is \(theta), wanted a number above 0" }
        guard 2...headSize ~= dimensions, dimensions % 2 == 0 else {
            return "\(dimensions) of a head's \(headSize) elements are rotated, wanted an even number from 2 on"
        }
        if let fault = scaling.fault(frequencies: dimensions / 2) { return fault }
        return inverseFrequencies.allSatisfy(\.isFinite)
            ? nil : "rope theta \(theta) gives frequencies that are not finite"
    }
}

extension RotaryEmbedding {
    /// The longest context for which the frequencies are those of the first training; nil where every context has the same.
    var shortContext: Int? {
        switch scaling {
        case .dynamic(_, let original, _): original
        case .long(let long): long.original
        case .none, .linear, .llama3, .divisors, .yarn: nil
        }
    }

    /// The same for sequences of up to `context` tokens.
    func reaching(_ context: Int) -> RotaryEmbedding {
        var result = self
        switch scaling {
        case .dynamic(let factor, let original, _):
            result.scaling = .dynamic(factor: factor, original: original, context: max(context, original))
        case .long(var long):
            long.isLong = context > long.original
            result.scaling = .long(long)
        case .none, .linear, .llama3, .divisors, .yarn: break
        }
        return result
    }
}

extension ModelConfiguration {
    /// The same model for sequences of up to `context` tokens.
    func reaching(_ context: Int) -> ModelConfiguration {
        var result = self
        result.rotaryEmbeddings = rotaryEmbeddings.map { $0.reaching(context) }
        if rotaryEmbeddings.contains(where: { $0.shortContext != nil }) {
            result.contextLength = max(contextLength, context)
        }
        return result
    }
}
