import ApusCPU
import ApusTensor
import CKernels
import Foundation
import Testing

/// Log-softmax, entropy and their gradient against fp64, and the backend's head on a vocabulary of several tiles.
@Suite struct HeadKernelTests {
    struct Case: CustomStringConvertible, Sendable {
        var name: String
        var logits: [Float]
        var inverseTemperature: Float = 1
        var description: String { name }
    }

    static let cases: [Case] = {
        var random = TestRandom(seed: 12)
        var extreme = random.floats(1000, in: -80..<80)
        extreme[3] = 80
        extreme[997] = -80
        return [
            Case(name: "one logit", logits: [1.5]),
            Case(name: "seven", logits: random.floats(7, in: -4..<4), inverseTemperature: 1 / 0.7),
            Case(name: "one tile", logits: random.floats(768, in: -10..<10)),
            Case(name: "three tiles", logits: random.floats(1700, in: -10..<10), inverseTemperature: 2),
            Case(name: "all equal", logits: [Float](repeating: -80, count: 800)),
            Case(name: "up to 80", logits: extreme),
            Case(name: "one certain", logits: [80] + [Float](repeating: -80, count: 900)),
            // The second tile is out of reach of the first: e^-160 is no float.
            Case(
                name: "a tile that vanishes",
                logits: random.floats(768, in: 79..<80) + [Float](repeating: -80, count: 70)),
        ]
    }()

    /// log Σ e^z and the entropy of z = logits · inverse temperature.
    private func reference(_ z: [Double]) -> (logSumExp: Double, entropy: Double) {
        let most = z.max() ?? 0
        let logSumExp = most + log(z.reduce(0) { $0 + exp($1 - most) })
        return (logSumExp, z.reduce(0) { $0 - exp($1 - logSumExp) * ($1 - logSumExp) })
    }

    private func tiles(_ count: Int) -> [Range<Int>] {
        let size = Int(APUS_VOCABULARY_TILE)
        return stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
    }

    private func combined(_ item: Case, _ kernels: apus_head_kernels) -> (logSumExp: Float, entropy: Float) {
        let summaries = tiles(item.logits.count).map {
            kernels.summarize(Array(item.logits[$0]), Int32($0.count), item.inverseTemperature)
        }
        var (logSumExp, entropy) = (Float.nan, Float.nan)
        kernels.combine(summaries, Int32(summaries.count), &logSumExp, &entropy)
        return (logSumExp, entropy)
    }

    private func tempered(_ item: Case) -> [Double] {
        item.logits.map { Double($0) * Double(item.inverseTemperature) }
    }

    @Test(arguments: cases, InstructionSet.available)
    func logSumExpAndEntropy(item: Case, set: InstructionSet) {
        let found = combined(item, apus_kernels_named(set.rawValue).pointee.head)
        let expected = reference(tempered(item))
        // log Σ e^z is a number of the logits' size, and the entropy the difference of two of them.
        let unit = 0x1p-23 * (1 + (tempered(item).map(abs).max() ?? 0))
        #expect(abs(Double(found.logSumExp) - expected.logSumExp) <= 2 * unit)
        #expect(abs(Double(found.entropy) - expected.entropy) <= 8 * unit)
    }

    @Test(arguments: cases.filter { $0.logits.count <= 768 }, InstructionSet.available)
    func gradientIsTheDerivative(item: Case, set: InstructionSet) {
        let kernels = apus_kernels_named(set.rawValue).pointee.head
        let target = item.logits.count / 2
        let (dLogProb, dEntropy) = (Float(-1.5), Float(0.25))
        let (logSumExp, entropy) = combined(item, kernels)
        var gradient = item.logits
        kernels.gradient(
            &gradient, Int32(gradient.count), item.inverseTemperature, logSumExp, entropy, Int32(target), dLogProb,
            dEntropy, 1, 0)
        let derivative = finiteDifferences(item.logits.map(Double.init)) { logits in
            let z = logits.map { $0 * Double(item.inverseTemperature) }
            let (logSumExp, entropy) = reference(z)
            return Double(dLogProb) * (z[target] - logSumExp) + Double(dEntropy) * entropy
        }
        expectClose(gradient, derivative, 3e-6)
    }

    /// Products that are scaled, capped, or both before they are logits: their gradient is that of what they become.
    @Test(arguments: [(0.25, 0), (1, 3), (2, 5)] as [(Float, Float)], InstructionSet.available)
    func cappedLogitsAndTheirGradient(rule: (scale: Float, cap: Float), set: InstructionSet) {
        let kernels = apus_kernels_named(set.rawValue).pointee.head
        var random = TestRandom(seed: 15)
        let products = random.floats(45, in: -8..<8) + [-300, -0.01, 0, 1e-4, 300]
        func logit(_ x: Double) -> Double {
            let (scale, cap) = (Double(rule.scale), Double(rule.cap))
            return cap > 0 ? cap * tanh(scale * x / cap) : scale * x
        }
        var logits = products
        kernels.cap(&logits, logits.count, rule.scale, rule.cap)
        expectClose(logits, products.map { logit(Double($0)) }, 1e-6)
        let item = Case(name: "capped", logits: logits, inverseTemperature: 1.25)
        let (logSumExp, entropy) = combined(item, kernels)
        let (target, dLogProb, dEntropy) = (20, Float(-1.5), Float(0.25))
        kernels.gradient(
            &logits, Int32(logits.count), 1.25, logSumExp, entropy, Int32(target), dLogProb, dEntropy, rule.scale,
            rule.cap)
        let derivative = finiteDifferences(products.map(Double.init)) { products in
            let z = products.map { logit($0) * 1.25 }
            let (logSumExp, entropy) = reference(z)
            return Double(dLogProb) * (z[target] - logSumExp) + Double(dEntropy) * entropy
        }
        expectClose(logits, derivative, 6e-6)
        var poisoned: [Float] = [.nan, .infinity, -.infinity]
        kernels.cap(&poisoned, poisoned.count, rule.scale, rule.cap)
        #expect(!poisoned.contains { $0.isFinite })
    }

    @Test(arguments: InstructionSet.available)
    func aTileWithoutTheTargetHasOnlyTheSharedPart(set: InstructionSet) {
        let kernels = apus_kernels_named(set.rawValue).pointee.head
        var random = TestRandom(seed: 13)
        let logits = random.floats(19)
        func gradient(_ target: Int32) -> [Float] {
            var values = logits
            kernels.gradient(&values, 19, 1, 4, 2, target, 0.5, 0, 1, 0)
            return values
        }
        #expect(gradient(-1) == gradient(19))
        var inside = gradient(-1)
        inside[7] += 0.5
        #expect(gradient(7) == inside)
    }

    /// Protects the ratio of GRPO, which is exactly 1 on the first update: what the sampler says of a token is what the
    /// trainer says of it, however many rows go through the head together and on any number of threads.
    @Test(arguments: [WeightFormat.f32, .bf16], InstructionSet.available)
    func samplerAndScorerGiveTheSameBits(format: WeightFormat, set: InstructionSet) throws {
        let (rows, width, vocabulary) = (5, 32, 1700)
        var random = TestRandom(seed: 14)
        let hiddenValues = random.floats(rows * width, in: -2..<2)
        let headValues = random.floats(vocabulary * width)
        let uniforms = (0..<rows).map { _ in Double(random.float(in: 0..<1)) }
        func outcome(
            threads: Int, temperature: Float, rule: (scale: Float, softCap: Float?)
        ) throws -> (sampled: [SampledToken], scored: [HeadScore]) {
            let backend = try CPUBackend(instructionSet: set, threads: threads)
            let weight = try backend.makeWeight(format, outputs: vocabulary, inputs: width) { range, destination in
                _ = destination.update(from: headValues[range.lowerBound * width..<range.upperBound * width])
            }
            let head = OutputHead(weight, scale: rule.scale, softCap: rule.softCap)
            let hidden = try backend.makeMatrix(hiddenValues, rows: rows, columns: width)
            let logits = try backend.makeMatrix(rows: rows, columns: vocabulary)
            let shape = KeyValueCache.Shape(layers: 1, heads: 1, keyValueHeads: 1, headSize: 16, format: .f32)
            _ = try backend.prepare(PackedBatch(), for: PassNeeds(cache: shape, width: width, head: head))
            backend.logits(hidden, head: head, adapter: nil, into: logits)
            let rules = uniforms.map {
                SamplingRow(
                    temperature: temperature, topK: 0, topP: 0.95, minP: 0, repetitionPenalty: 1, line: nil,
                    banned: [], uniform: $0)
            }
            let sampled = try backend.sample(logits, rows: rules, history: nil, scoreTemperature: temperature)
            // Each row as a target 40 times: more rows than go through the head at once.
            let targets = HeadTargets(
                rows: try backend.makeIndices((0..<40 * rows).map { Int32($0 % rows) }),
                tokens: try backend.makeIndices((0..<40 * rows).map { sampled[$0 % rows].token }))
            let scores = try backend.makeMatrix(rows: targets.count, columns: HeadScore.width)
            backend.score(hidden, targets, head: head, temperature: temperature, into: scores)
            return (sampled, try backend.scores(in: scores))
        }
        for (temperature, rule) in [(1, (1, nil)), (0.7, (1, nil)), (0.7, (0.5, 2))] as [(Float, (Float, Float?))] {
            let first = try outcome(threads: 1, temperature: temperature, rule: rule)
            for threads in [1, 3] {
                let other = try outcome(threads: threads, temperature: temperature, rule: rule)
                #expect(other.sampled.map(\.token) == first.sampled.map(\.token))
                #expect(other.sampled.map(\.score) == first.sampled.map(\.score))
                for (index, score) in other.scored.enumerated() {
                    #expect(score == first.sampled[index % rows].score)
                }
            }
        }
    }
}
