import ApusCPU
import ApusTensor
import CKernels
import Testing

@testable import ApusBench

@Suite(.serialized) struct MachinePeaksTests {
    @Test(arguments: InstructionSet.available)
    func arithmeticHasAPeak(instructionSet: InstructionSet) throws {
        let backend = try CPUBackend(instructionSet: instructionSet, threads: 2)
        let peaks = MachinePeaks.Arithmetic(measuring: backend)
        for rate in [peaks.multiplyAdd, peaks.pairDot] { #expect(rate > 0.01 && rate.isFinite) }
        #expect(!peaks.pairDotInstruction.isEmpty)
    }

    @Test func theBetterOfTwoMeasurementsCounts() throws {
        let backend = try CPUBackend(threads: 2)
        let (first, second) = (try MachinePeaks(measuring: backend), try MachinePeaks(measuring: backend))
        for best in [first.best(second), second.best(first)] {
            #expect(best.allThreads.pairDot == max(first.allThreads.pairDot, second.allThreads.pairDot))
            #expect(best.oneThread.multiplyAdd == max(first.oneThread.multiplyAdd, second.oneThread.multiplyAdd))
            #expect(best.allThreadsRead == max(first.allThreadsRead, second.allThreadsRead))
            #expect(best.oneThreadRead == max(first.oneThreadRead, second.oneThreadRead))
        }
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
