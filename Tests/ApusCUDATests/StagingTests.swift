import ApusTensor
import ApusTestModels
import CUDAEmulation
import Synchronization
import Testing

@testable import ApusCUDA

extension EmulatedCard {
    /// What goes through pinned memory, which the emulated card reads when it gets to a copy and not before.
    @Suite struct StagingTests {
        /// More than all segments hold, with nothing that waits in between.
        @Test func uploadsWaitForTheirSegments() throws {
            cuda_emulation_reset()
            let backend = try TestDevice.emulatedCard()
            let count = backend.staging.segmentBytes / 4
            let sizes = (0..<40).map { [3, count / 3, count, 2 * count + 5][$0 % 4] }
            let matrices = try sizes.enumerated().map { index, size in
                try backend.makeMatrix([Float](repeating: Float(index), count: size), rows: 1, columns: size)
            }
            for (index, matrix) in matrices.enumerated() {
                let found = try backend.download(matrix)
                #expect(found.allSatisfy { $0 == Float(index) }, "\(index)")
            }
        }

        /// A copy is a piece of work in the stream, not a wait.
        @Test func smallUploadsWaitForNothing() throws {
            cuda_emulation_reset()
            let backend = try TestDevice.emulatedCard()
            let before = cuda_emulation_pending_work()
            let indices = try (0..<10).map { try backend.makeIndices([Int32($0), 7]) }
            #expect(cuda_emulation_pending_work() == before + 10)
            let read = try indices.map { try backend.downloaded($0.address, 2, of: Int32(0)) }
            #expect(read == (0..<10).map { [$0, 7] })
        }

        /// Five chunks through two segments; every row is asked for once, and by more threads than one where there are more.
        @Test(arguments: [WeightFormat.f32, .bf16, .nf4])
        func weightsComeInChunks(format: WeightFormat) throws {
            cuda_emulation_reset()
            let backend = try TestDevice.emulatedCard()
            let (outputs, inputs) = (5 * 4096 - 37, 1024)
            let asked = Mutex([Int](repeating: 0, count: outputs))
            func value(_ row: Int) -> Float { row % 2 == 0 ? Float(row % 251) : -Float(row % 251) }
            let weight = try backend.makeWeight(format, outputs: outputs, inputs: inputs) { range, rows in
                asked.withLock { asked in for row in range { asked[row] += 1 } }
                for row in range {
                    let first = (row - range.lowerBound) * inputs
                    rows[first..<first + inputs].update(repeating: value(row))
                }
            }
            #expect(asked.withLock { $0.allSatisfy { $0 == 1 } })
            let rows = stride(from: 0, to: outputs, by: 101).map { $0 }
            let read = try backend.makeMatrix(rows: rows.count, columns: inputs)
            backend.embed(try backend.makeIndices(rows.map(Int32.init)), table: weight, into: read)
            let found = try backend.download(read)
            for (index, row) in rows.enumerated() {
                #expect(found[index * inputs..<(index + 1) * inputs].allSatisfy { $0 == value(row) }, "row \(row)")
            }
        }

        @Test func whatReadingARowThrowsIsThrown() throws {
            struct Unreadable: Error {}
            cuda_emulation_reset()
            let backend = try TestDevice.emulatedCard()
            #expect(throws: Unreadable.self) {
                _ = try backend.makeWeight(.f32, outputs: 10_000, inputs: 1000) { range, rows in
                    rows.update(repeating: 1)
                    if range.contains(7000) { throw Unreadable() }
                }
            }
            #expect(try backend.download(backend.makeMatrix([1, 2], rows: 1, columns: 2)) == [1, 2])
        }

        @Test(arguments: ["cuEventRecord", "cuEventSynchronize"])
        func aWaitThatFailsIsTold(call: String) throws {
            cuda_emulation_reset()
            defer { cuda_emulation_reset() }
            let backend = try TestDevice.emulatedCard()
            let matrix = try backend.makeMatrix(rows: 1, columns: 3 << 20)
            cuda_emulation_fail_call(call, 1, 719)
            backend.upload([Float](repeating: 1, count: matrix.count), to: matrix)
            let error = #expect(throws: TensorError.self) { try backend.download(matrix) }
            #expect(error?.description.contains("the card has failed") == true)
        }
    }
}
