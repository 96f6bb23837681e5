import CKernels
import Testing

@testable import ApusTensor

@Suite(.serialized) struct MachinePeaksTests {
    @Test(arguments: InstructionSet.available)
    func arithmeticHasAPeak(instructionSet: InstructionSet) throws {
        let backend = try CPUBackend(instructionSet: instructionSet, threads: 2)
        let peaks = MachinePeaks.Arithmetic(measuring: backend)
        for rate in [peaks.multiplyAdd, peaks.pairDot] { #expect(rate > 0.01 && rate.isFinite) }
    }

    /// A loop that the compiler may skip would give the same numbers whatever it is asked for.
    @Test(arguments: InstructionSet.available)
    func loopsDoEveryRound(instructionSet: InstructionSet) throws {
        let peak = try #require(apus_kernels_named(instructionSet.rawValue)).pointee.peak
        let converging = [0, 1, 100, 100_000].map { peak.multiply_add($0, 0.9995) }
        #expect(converging.allSatisfy(\.isFinite) && Set(converging).count == 4)
        // All chains tend to 1; there are at least ten of at least four lanes.
        let settled = converging[3]
        #expect(abs(settled - Float(peak.multiply_add_operations / 2)) < 0.01 * settled && settled >= 40)
        let pairs = [0, 1, 100, 10_001].map { peak.pair_dot($0, 0.9995) }
        #expect(pairs.allSatisfy(\.isFinite) && Set(pairs).count == 4)
    }

    @Test(arguments: InstructionSet.available)
    func everyFloatIsRead(instructionSet: InstructionSet) throws {
        let peak = try #require(apus_kernels_named(instructionSet.rawValue)).pointee.peak
        for count in [1, 63, 64, 1003] {
            #expect(peak.read((1...count).map(Float.init), count) == Float(count * (count + 1) / 2))
        }
    }
}

@Suite(.serialized) struct KernelBenchmarkTests {
    private let benchmark: KernelBenchmark

    init() throws {
        benchmark = KernelBenchmark(backend: try CPUBackend(threads: 2), repetitions: 1)
    }

    @Test(arguments: [WeightFormat.f32, .bf16, .nf4])
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
        #expect(passes.allSatisfy { $0.rows == 1312 && $0.gigaflops > 0 && $0.gigaflops.isFinite })
    }

    @Test func shortCallsAreRepeatedUpToAHundredTimes() {
        var calls: [Int] = []
        _ = benchmark.medianSeconds { calls.append($0) }
        #expect(calls.count == 102 && calls == Array(0..<102))
    }
}
