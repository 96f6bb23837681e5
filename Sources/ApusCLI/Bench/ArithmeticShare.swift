import Apus
import ApusBench

/// The arithmetic of a piece of work beside what this machine can do at most, measured after the work on all threads.
struct ArithmeticShare: Encodable, Equatable {
    /// Multiplications and additions a nanosecond.
    let gigaflops: Double
    let fp32PeakGigaflops: Double
    /// Of dot products of pairs of 16-bit numbers.
    let pairPeakGigaflops: Double
    /// What forms those dot products.
    let pairInstruction: String

    var shareOfFP32Peak: Double { gigaflops / fp32PeakGigaflops }
    var shareOfPairPeak: Double { gigaflops / pairPeakGigaflops }

    enum CodingKeys: String, CodingKey {
        case gigaflops = "gflops"
        case fp32PeakGigaflops = "fp32_peak_gflops"
        case pairPeakGigaflops = "pair16_peak_gflops"
        case pairInstruction = "pair16_instruction"
    }

    init(gigaflops: Double, fp32PeakGigaflops: Double, pairPeakGigaflops: Double, pairInstruction: String) {
        self.gigaflops = gigaflops
        self.fp32PeakGigaflops = fp32PeakGigaflops
        self.pairPeakGigaflops = pairPeakGigaflops
        self.pairInstruction = pairInstruction
    }

    /// Measures the peaks of a backend.
    init(operations: Double, seconds: Double, on backend: CPUBackend) {
        let peaks = MachinePeaks.Arithmetic(measuring: backend)
        self.init(
            gigaflops: operations / seconds / 1e9, fp32PeakGigaflops: peaks.multiplyAdd,
            pairPeakGigaflops: peaks.pairDot, pairInstruction: peaks.pairDotInstruction)
    }
}

extension ModelConfiguration {
    /// Multiplications and additions of a forward pass over the tokens at `positions` of one sequence, of which
    /// `scored` go through the head.
    func forwardOperations(positions: Range<Int>, scored: Int) -> Double {
        // Each visible key costs a product with the query and one with its probability.
        let layers = self.layers.reduce(0.0) { sum, layer in
            let keys = positions.reduce(0) { $0 + min($1 + 1, layer.attention.window ?? .max) }
            return sum + Double(layer.matrixElements * positions.count + 2 * keys * queryWidth)
        }
        return 2 * (layers + Double(hiddenSize * vocabularySize * scored))
    }
}
