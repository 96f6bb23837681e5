import ApusTensor
import Testing

struct PhiloxTests {
    /// The known answers that the authors publish with Random123 (kat_vectors, philox4x32 with 10 rounds).
    @Test func publishedAnswers() {
        let zeros = Philox(seed: 0).words(0, 0, 0, 0)
        #expect(zeros == (0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
        let ones = Philox(seed: .max).words(.max, .max, .max, .max)
        #expect(ones == (0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
        let pi = Philox(seed: 0x299f_31d0_a409_3822).words(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344)
        #expect(pi == (0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
    }

    @Test func uniformIsTheFirstTwoWords() {
        let philox = Philox(seed: 3407)
        let words = philox.words(7, 11, 13, 0)
        let bits = (UInt64(words.0) << 32 | UInt64(words.1)) >> 11
        #expect(philox.uniform(step: 7, sample: 11, position: 13) == Double(bits) / 9_007_199_254_740_992)
    }

    @Test func everyCoordinateCounts() {
        let at = { (seed: UInt64, step: Int, sample: Int, position: Int) in
            Philox(seed: seed).uniform(step: step, sample: sample, position: position)
        }
        let draws = [
            at(1, 2, 3, 4), at(9, 2, 3, 4), at(1 << 40, 2, 3, 4), at(1, 9, 3, 4), at(1, 2, 9, 4), at(1, 2, 3, 9),
        ]
        #expect(Set(draws).count == draws.count)
        #expect(at(1, 2, 3, 4) == draws[0])
    }

    @Test func meanAndVarianceAreThoseOfAUniform() {
        let philox = Philox(seed: 42)
        let draws = (0..<20_000).map { philox.uniform(step: $0 / 100, sample: $0 % 10, position: $0) }
        let mean = draws.reduce(0, +) / 20_000
        let variance = draws.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / 20_000
        #expect(draws.allSatisfy { $0 >= 0 && $0 < 1 })
        #expect(abs(mean - 0.5) < 0.008)
        #expect(abs(variance - 1.0 / 12) < 0.003)
    }
}
