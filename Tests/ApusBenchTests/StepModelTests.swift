import ApusCPU
import ApusTensor
import Testing

@testable import ApusBench

/// Counts of a model with 3 layers of 8 and 12 values, two heads of 4 that share keys, and 10 tokens. In a layer the query
/// and attention's output have 8 x 8 weights, key and value 4 x 8 each, gate, up and down 12 x 8 each.
@Suite struct StepModelTests {
    private typealias Work = StepModel.Work

    private func step(_ kind: StepModel.Kind) -> StepModel {
        StepModel(model: .tiny, kind: kind, weightBytes: (layer: 300, head: 90))
    }

    @Test func decodingIsCounted() {
        let step = step(.decoding(sequences: 6))
        #expect(step.work(.products) == Work(pairOperations: 2 * 6 * 3 * 480, bytes: 900))
        #expect(step.work(.head) == Work(pairOperations: 2 * 6 * 80, bytes: 90))
        // 212 keys lie in 14 pages of 768 bytes.
        let attention = Work(pairOperations: 3 * 4 * 6 * 212 * 8, bytes: 3 * 6 * 14 * 768)
        #expect(step.work(.attention) == attention)
        // Two norms of 5 operations a value, the gate's 4, rotations of query and key with 3.
        #expect(step.work(.rows) == Work(operations: 6 * 3 * (2 * 8 * 5 + 12 * 4 + (8 + 4) * 3)))
        #expect(step.work(.sampling) == Work(operations: 6 * 10 * 9))
        #expect(step.work(.rounding) == Work(operations: 6 * 3 * 3 * (8 + 8 + 8 + 12)))
        #expect(step.work(.handOver) == Work())
    }

    @Test func trainingIsCounted() {
        let step = step(.training)
        // Query, gate and up are computed again; every module has a gradient by its inputs.
        let wide = 64 + 96 + 96 + 480
        // Inputs are projected and get a gradient; outputs take the adapter's part where they are computed, and give one.
        let inputs = 5 * 8 + 8 + 12
        let narrow = 32 * (2 * inputs + 2 * (8 + 12 + 12) + 4 + 4 + 8 + 8)
        let adapter = 32 * (inputs + 8 + 4 + 4 + 8 + 12 + 12 + 8)
        let row = 2.0 * 3 * 1312
        #expect(
            step.work(.products)
                == Work(pairOperations: row * Double(wide + narrow), operations: row * Double(adapter), bytes: 900))
        #expect(step.work(.head) == Work(pairOperations: 2 * 2 * 1200 * 80, bytes: 90))
        let keys = 112 * 113 / 2 + 6 * (200 * 112 + 200 * 201 / 2)
        let pairs = Double(3 * keys * 8)
        #expect(step.work(.attention) == Work(pairOperations: 6 * pairs, operations: 8 * pairs))
        // Norms, their gradients, gate, its gradients, rotations of query, its gradient and the key's; copies.
        let operations = 2 * 8 * (4 + 11) + 12 * (4 + 9) + 3 * (2 * 8 + 4)
        // What is copied comes from memory.
        let bytes = 2 * 8 * 4
        let rows = Double(1312 * 3)
        #expect(step.work(.rows) == Work(operations: rows * Double(operations), bytes: rows * Double(bytes)))
        let rounded = Double(8 + 8 + 8 + 12 + 8 + 4 + 4 + 8 + 12 + 12 + 8)
        #expect(step.work(.rounding) == Work(operations: 3 * rows * rounded))
        #expect(step.work(.sampling) == nil)
    }

    @Test func runsOfSeveralThreadsAreCounted() {
        // Rows so short are left to the calling thread: in each layer four products and attention, then head and sampling.
        #expect(step(.decoding(sequences: 6)).runs == 3 * 5 + 2)
        // One row is sampled by the calling thread.
        #expect(step(.decoding(sequences: 1)).runs == 3 * 5 + 1)
        // 14 besides rows; of those two copies, norms and norms' gradients, the gate and its gradient, and three rotations.
        #expect(step(.training).runs == 3 * (14 + 11) + 1)
        // Of six rows of 576 values the gate, the query's rotation, four roundings and the keys are enough work to be shared.
        let larger = StepModel(model: .smolLM2, kind: .decoding(sequences: 6), weightBytes: (layer: 300, head: 90))
        #expect(larger.runs == 30 * (5 + 1 + 1 + 4 + 1) + 2)
    }

    @Test func theSlowerOfArithmeticAndMemoryIsTheLimit() throws {
        let peaks = try MachinePeaks(measuring: CPUBackend(threads: 1))
        let all = peaks.allThreads
        let work = Work(pairOperations: 4e9 * all.pairDot, operations: 2e9 * all.multiplyAdd, bytes: 1)
        #expect(abs(work.limit(peaks) - 6) < 1e-9)
        #expect(abs(Work(operations: 1, bytes: 3e9 * peaks.allThreadsRead).limit(peaks) - 3) < 1e-9)
    }
}
