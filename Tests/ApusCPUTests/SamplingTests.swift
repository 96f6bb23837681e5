import ApusTensor
import ApusTestSupport
import CKernels
import Foundation
import Testing

/// Logits after the filters of transformers' generate().
private struct SamplingFixture: Decodable {
    struct Case: Decodable {
        let cfg: Filters
        let logits: [Float]?
        let scores: [Float?]
        let probs: [Double]
    }
    let logits: [Float]
    let ids: [Int32]
    let attentionMask: [Int]
    let cases: [Case]

    /// The tokens that count for the repetition penalty: left pads do not.
    var seen: [Int32] { zip(ids, attentionMask).filter { $0.1 == 1 }.map(\.0) }

    static func read() throws -> SamplingFixture {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(SamplingFixture.self, from: Fixture.data("sampling.json"))
    }
}

/// The sampler's settings; nil is off.
private struct Filters: Decodable {
    var temperature: Float?
    var topK: Int32?
    var topP: Float?
    var minP: Float?
    var repetitionPenalty: Float?

    var parameters: apus_sampling_parameters {
        .init(
            temperature: temperature ?? 1, top_k: topK ?? 0, top_p: topP ?? 1, min_p: minP ?? 0,
            repetition_penalty: repetitionPenalty ?? 1)
    }
}

private func withHistory<R>(
    _ seen: [Int32], _ banned: [Int32], _ body: (inout apus_sampling_history) -> R
) -> R {
    seen.withUnsafeBufferPointer { seen in
        banned.withUnsafeBufferPointer { banned in
            var history = apus_sampling_history(
                seen: seen.baseAddress, seen_count: Int32(seen.count), banned: banned.baseAddress,
                banned_count: Int32(banned.count))
            return body(&history)
        }
    }
}

private func filtered(
    _ logits: [Float], _ filters: Filters, seen: [Int32] = [], banned: [Int32] = []
) -> (status: Int32, logits: [Float]) {
    var logits = logits
    var scratch = [Float](repeating: .nan, count: logits.count)
    var parameters = filters.parameters
    let status = withHistory(seen, banned) {
        apus_filter_logits(&logits, Int32(logits.count), &parameters, &$0, &scratch)
    }
    return (status, logits)
}

private func sample(
    _ logits: [Float], _ filters: Filters = Filters(), seen: [Int32] = [], banned: [Int32] = [], at uniform: Double
) -> Int32 {
    var logits = logits
    var scratch = [Float](repeating: .nan, count: logits.count)
    var parameters = filters.parameters
    return withHistory(seen, banned) {
        apus_sample_row(&logits, Int32(logits.count), &parameters, &$0, uniform, &scratch)
    }
}

/// A row as long as a real vocabulary, bell-shaped, with many equal logits.
private func longRow(_ count: Int = 50_021) -> [Float] {
    let philox = Philox(seed: 5)
    return (0..<count).map { token in
        let sum = (0..<4).reduce(0.0) { $0 + philox.uniform(step: 0, sample: $1, position: token) }
        return Float((sum - 2) * 4 * 256).rounded() / 256
    }
}

struct SamplingFilterTests {
    @Test func agreeWithTransformers() throws {
        let fixture = try SamplingFixture.read()
        #expect(fixture.cases.count == 14)
        for (index, expected) in fixture.cases.enumerated() {
            let logits = expected.logits ?? fixture.logits
            let (status, scores) = filtered(logits, expected.cfg, seen: fixture.seen)
            #expect(status == 0)
            #expect(scores == expected.scores.map { $0 ?? -.infinity }, "case \(index): \(expected.cfg)")
        }
    }

    /// The draw inverts the cumulative distribution: just inside each end of a token's interval it gives that token.
    @Test func drawsFollowTheProbabilitiesOfTransformers() throws {
        let fixture = try SamplingFixture.read()
        for (index, expected) in fixture.cases.enumerated() {
            var cumulative = 0.0
            for (token, probability) in expected.probs.enumerated() where probability > 0 {
                for uniform in [cumulative + 2e-6, cumulative + probability - 2e-6] {
                    let drawn = sample(
                        expected.logits ?? fixture.logits, expected.cfg, seen: fixture.seen, at: uniform)
                    #expect(drawn == token, "case \(index), uniform \(uniform)")
                }
                cumulative += probability
            }
        }
    }

    @Test func bannedTokensDisappear() {
        let (status, logits) = filtered([3, 2, 1], Filters(), banned: [0, 2, 0])
        #expect(status == 0)
        #expect(logits == [-.infinity, 2, -.infinity])
        #expect(sample([3, 2, 1], Filters(temperature: 0), banned: [0], at: 0) == 1)
    }

    @Test(arguments: [1, 2, 40, 50_020, 50_021, 60_000]) func topKOfALongRow(k: Int) {
        let row = longRow()
        let threshold = row.sorted(by: >)[min(k, row.count) - 1]
        let expected = row.map { $0 < threshold ? -.infinity : $0 }
        #expect(filtered(row, Filters(topK: Int32(k))).logits == expected)
    }

    /// Against a stable ascending sort and a running sum in double.
    @Test(arguments: [0.0, 0.001, 0.3, 0.9, 0.95, 0.999_9]) func topPOfALongRow(p: Float) {
        let row = longRow()
        let largest = Double(row.max() ?? 0)
        let weights = row.map { exp(Double($0) - largest) }
        let total = weights.reduce(0, +)
        let ascending = row.indices.sorted { (row[$0], $0) < (row[$1], $1) }
        var expected = row
        var cumulative = 0.0
        for token in ascending.dropLast() {
            cumulative += weights[token] / total
            if cumulative <= 1 - Double(p) { expected[token] = -.infinity }
        }
        let kept = filtered(row, Filters(topP: p)).logits
        let differences = row.indices.filter { kept[$0] != expected[$0] }
        // The weights are floats: the boundary may move by a token, and then it moves past the least of them.
        #expect(differences.count <= (p > 0.99 ? 2 : 1), "\(differences.count) tokens differ")
    }

    @Test func minPKeepsWhatReachesTheFractionOfTheLargest() {
        let row = longRow()
        let limit = (row.max() ?? 0) + log(Float(0.05))
        let kept = filtered(row, Filters(minP: 0.05)).logits
        #expect(row.indices.allSatisfy { abs(row[$0] - limit) < 1e-5 || (kept[$0] == row[$0]) == (row[$0] > limit) })
    }

    @Test func whatCannotBeDrawnIsReported() {
        #expect(filtered([1, .nan, 2], Filters()).status == -1)
        #expect(filtered([1, .infinity, 2], Filters()).status == -1)
        #expect(sample([-.infinity, -.infinity], at: 0.5) == -1)
        #expect(sample([1, .nan], Filters(temperature: 0), at: 0.5) == -1)
        #expect(sample([1, 2], banned: [0, 1], at: 0.5) == -1)
        #expect(sample([1, .nan, 2, 3, 4, 5, 6, 7, 8], Filters(topK: 2, topP: 0.9, minP: 0.1), at: 0.5) == -1)
    }
}

struct SamplingDrawTests {
    @Test func zeroTemperatureTakesTheLowestOfTheLargest() {
        #expect(sample([1, 4, 2, 4, 0], Filters(temperature: 0), at: 0.99) == 1)
        #expect(sample([1, 4, 2, 4, 0], Filters(temperature: 0, repetitionPenalty: 2), seen: [1, 1], at: 0) == 3)
        #expect(sample([0, -0.0], Filters(temperature: 0), at: 0.5) == 0)
    }

    @Test func theEndsOfTheIntervalAreTokens() {
        let nearlyOne = 1 - 0x1p-53
        let row = longRow()
        #expect(sample(row, at: 0) == 0)
        #expect(sample(row, at: nearlyOne) == row.count - 1)
        #expect(sample(row + [-.infinity, -200], at: nearlyOne) == row.count - 1)
        #expect(sample([-.infinity, 3, -.infinity], at: 0) == 1)
        #expect(sample([-.infinity, 3, -.infinity], at: nearlyOne) == 1)
    }

    /// Pearson's statistic of 30,000 draws over 40 tokens of a long row: beyond 73 with probability 0.001.
    @Test func drawsAreDistributedAsTheSoftmax() {
        var row = [Float](repeating: -.infinity, count: 3_000)
        let tokens = (0..<40).map { $0 * 73 }
        for (index, token) in tokens.enumerated() { row[token] = Float(index % 7) * 0.4 }
        let weights = tokens.map { exp(Double(row[$0]) / 0.8) }
        let total = weights.reduce(0, +)
        let philox = Philox(seed: 2)
        var counts = [Int](repeating: 0, count: row.count)
        for draw in 0..<30_000 {
            let uniform = philox.uniform(step: 0, sample: draw % 6, position: draw / 6)
            counts[Int(sample(row, Filters(temperature: 0.8), at: uniform))] += 1
        }
        var statistic = 0.0
        for (weight, token) in zip(weights, tokens) {
            let expected = 30_000 * weight / total
            statistic += (Double(counts[token]) - expected) * (Double(counts[token]) - expected) / expected
        }
        #expect(statistic < 73, "chi-square \(statistic)")
        #expect(tokens.reduce(0) { $0 + counts[$1] } == 30_000)
    }

    /// Golden tokens of a long row: they must not change with the processor, the build or the day.
    @Test func tokensAreTheSameEverywhere() {
        let row = longRow()
        let philox = Philox(seed: 3407)
        let tokens = [Filters(), Filters(temperature: 0.7, topK: 100, topP: 0.95), Filters(topP: 0.5, minP: 0.01)]
            .map { filters in
                (0..<6).map { sample(row, filters, at: philox.uniform(step: 1, sample: 2, position: $0)) }
            }
        #expect(
            tokens == [
                [9_537, 31_173, 17_551, 41_913, 17_035, 22_000], [8_874, 28_244, 17_004, 39_639, 15_862, 19_788],
                [9_316, 30_626, 17_444, 41_289, 17_054, 21_932],
            ])
    }

    /// Against the cumulative sum in double: the drawn token's interval holds the uniform, give or take rounding.
    @Test func aLongRowIsDrawnByItsCumulativeDistribution() {
        let row = longRow()
        let weights = row.map { exp(Double($0) / 1.3) }
        let total = weights.reduce(0, +)
        let cumulative = weights.reduce(into: [0.0]) { sums, weight in
            sums.append(sums[sums.count - 1] + weight / total)
        }
        let philox = Philox(seed: 8)
        for draw in 0..<200 {
            let uniform = philox.uniform(step: draw, sample: 0, position: 0)
            let token = Int(sample(row, Filters(temperature: 1.3), at: uniform))
            #expect(cumulative[token] - 1e-7 < uniform && uniform < cumulative[token + 1] + 1e-7)
        }
    }
}
