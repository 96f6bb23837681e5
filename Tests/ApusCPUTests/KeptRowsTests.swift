import ApusCPU
import ApusTensor
import Testing

/// Rows in 16 bits, against the rule written out: the nearest multiple of a block's largest value over 32,767.
struct KeptRowsTests {
    /// Rows of a batch at some positions of two sequences, which lie in pages out of order.
    private func pass(_ backend: CPUBackend, columns: Int) throws -> Pass {
        var batch = PackedBatch()
        let second = batch.append(table: [2, 0])
        batch.append([1, 2], firstPosition: 15, tableOffset: second, parentFirstRow: nil)
        let first = batch.append(table: [1])
        batch.append([3], firstPosition: 4, tableOffset: first, parentFirstRow: nil)
        let shape = KeyValueCache.Shape(layers: 5, heads: 1, keyValueHeads: 1, headSize: 16, format: .f32)
        return try backend.prepare(batch, for: PassNeeds(cache: shape, width: columns))
    }

    @Test(arguments: InstructionSet.available, [false, true])
    func rowsComeBack(set: InstructionSet, isExact: Bool) throws {
        let backend = try CPUBackend(instructionSet: set, threads: 2)
        let columns = 150
        let pass = try pass(backend, columns: columns)
        let kept = try backend.makeKeptRows(KeptRows.Shape(streams: 4, columns: columns, isExact: isExact), pages: 3)
        let values = (0..<4).map { stream in
            (0..<3 * columns).map { i in
                Float((i * 7919 + stream * 31) % 1_000 - 500) * (i < columns ? 1e-3 : 40)
            }
        }
        for stream in 0..<4 {
            let source = try backend.makeMatrix(values[stream], rows: 3, columns: columns)
            backend.keep(source.rows(0..<1), pass, firstRow: 0, in: kept, stream: stream)
            backend.keep(source.rows(1..<3), pass, firstRow: 1, in: kept, stream: stream)
        }
        for stream in 0..<4 {
            let back = try backend.makeMatrix(rows: 2, columns: columns)
            backend.recall(kept, stream: stream, pass, firstRow: 1, into: back)
            let rows = [1, 2].map { Array(values[stream][$0 * columns..<($0 + 1) * columns]) }
            #expect(backend.download(back) == rows.flatMap { isExact ? $0 : Self.rounded($0) })
        }
    }

    @Test(arguments: InstructionSet.available) func zerosAndTinyNumbersAreZeros(set: InstructionSet) throws {
        let backend = try CPUBackend(instructionSet: set, threads: 1)
        let row = [Float](repeating: 0, count: 64) + [2e-38, -2e-38]
        let pass = try pass(backend, columns: 66)
        let kept = try backend.makeKeptRows(KeptRows.Shape(streams: 1, columns: 66, isExact: false), pages: 3)
        let x = try backend.makeMatrix(row + row + row, rows: 3, columns: 66)
        backend.keep(x, pass, firstRow: 0, in: kept, stream: 0)
        backend.recall(kept, stream: 0, pass, firstRow: 0, into: x)
        #expect(backend.download(x).allSatisfy { $0 == 0 })
    }

    private static func rounded(_ row: [Float]) -> [Float] {
        stride(from: 0, to: row.count, by: 64).flatMap { begin in
            let block = row[begin..<min(begin + 64, row.count)]
            let largest = block.map { abs($0) }.max() ?? 0
            return block.map { ($0 * (32767 / largest)).rounded(.toNearestOrEven) * (largest / 32767) }
        }
    }
}
