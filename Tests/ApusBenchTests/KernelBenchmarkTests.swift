import ApusCPU
import ApusTensor
import Testing

@testable import ApusBench

extension KernelBenchmark.Model {
    /// Small enough to count by hand: a layer has 480 weights.
    static let tiny = KernelBenchmark.Model(
        name: "tiny", hiddenSize: 8, intermediateSize: 12, layers: 3, vocabularySize: 10,
        attention: KeyValueCache.Shape(layers: 1, heads: 2, keyValueHeads: 1, headSize: 4, format: .fixed))
}

@Suite(.serialized) struct KernelBenchmarkTests {
    private let benchmark: KernelBenchmark

    init() throws {
        benchmark = KernelBenchmark(backend: try CPUBackend(threads: 2), repetitions: 1)
    }

    @Test(arguments: [WeightFormat.f32, .bf16, .int8, .nf4])
    func productsAreMeasured(format: WeightFormat) throws {
        let products = try benchmark.products(format, inputs: 64, outputs: 64)
        #expect(products.filter { $0.direction == .forward }.map(\.rows) == [1, 6, 24, 512, 1024])
        #expect(products.filter { $0.direction == .backward }.map(\.rows) == [512, 1024])
        for product in products {
            #expect(product.gigaflops > 0 && product.gigaflops.isFinite)
            #expect(product.weightBytes >= 64 * 64 / 2)
        }
    }

    @Test func attentionCountsOnlyVisibleKeys() throws {
        let passes = try benchmark.attention(of: .smolLM2)
        let prompt = 112 * 113 / 2
        let completion = 200 * 112 + 200 * 201 / 2
        let pairs = Double((prompt + 6 * completion) * 9 * 64)
        #expect(passes.map(\.operations) == [4 * pairs, 10 * pairs])
        #expect(passes.allSatisfy { $0.context == nil && $0.bytes == nil })
        #expect(passes.allSatisfy { $0.rows == 1312 && $0.gigaflops > 0 && $0.gigaflops.isFinite })
    }

    @Test func decodingAttentionReadsWholePages() throws {
        let pass = try benchmark.decodingAttention(of: .tiny, rows: 2, context: 17)
        #expect(pass.rows == 2 && pass.context == 17 && pass.operations == 4 * 2 * 17 * 8)
        // Two pages for each of two sequences, of one key/value head.
        #expect(pass.bytes == 4 * 768.0)
        #expect(pass.seconds > 0 && pass.seconds.isFinite)
    }

    @Test(arguments: [WeightFormat.half, .int8])
    func headIsMeasured(format: WeightFormat) throws {
        let products = try benchmark.head(of: .tiny, format: format)
        #expect(products.map(\.rows) == [1, 6, 24])
        for product in products {
            #expect(product.format == format && product.inputs == 8 && product.outputs == 10)
            #expect(product.gigaflops > 0 && product.gigaflops.isFinite && product.weightBytes >= 80)
        }
    }

    @Test func everyOperationOverRowsIsMeasured() throws {
        let works = try benchmark.rowWork(of: .tiny)
        #expect(Set(works.map(\.operation)) == Set(RowOperation.allCases))
        #expect(Set(works.map(\.rows)) == [6, 1312])
        for work in works { #expect(work.seconds > 0 && work.blockNanoseconds.isFinite) }
    }

    @Test func stepsHaveEveryPart() throws {
        let steps = try benchmark.steps(of: .tiny)
        #expect(steps.map(\.kind) == [1, 6, 24].map { .decoding(sequences: $0) } + [.training])
        for step in steps {
            let wanted = StepModel.Part.allCases.filter { step.kind != .training || $0 != .sampling }
            #expect(step.parts.map(\.part) == wanted)
            #expect(step.parts.allSatisfy { $0.seconds > 0 && $0.seconds.isFinite })
            let own = step.parts.filter { $0.part != .rounding && $0.part != .handOver }.map(\.seconds)
            #expect(abs(step.seconds - own.reduce(0, +)) <= 1e-9 * step.seconds)
        }
    }

    @Test func shortCallsAreRepeatedUpToAHundredTimes() {
        var calls: [Int] = []
        _ = benchmark.medianSeconds { calls.append($0) }
        #expect(calls.count == 102 && calls == Array(0..<102))
    }
}
