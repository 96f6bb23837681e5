import ApusTensor
import Testing

/// Rows in 16 bits, against the rule written out: the nearest multiple of a block's largest value over 32,767.
struct ShortRowsTests {
    @Test(arguments: InstructionSet.available) func rowsComeBackRounded(set: InstructionSet) throws {
        let backend = try CPUBackend(instructionSet: set, threads: 2)
        let columns = 150
        let source = try Matrix(rows: 3, columns: columns)
        source.values = (0..<3 * columns).map { i in Float((i * 7919) % 1_000 - 500) * (i < columns ? 1e-3 : 40) }
        let kept = try ShortRows(rows: 6, columns: columns)
        backend.scatter(source, [4, 0, 3], into: kept)
        let back = try Matrix(rows: 3, columns: columns)
        backend.gather(kept.rows(3..<6), [1, 0, 1], into: back)
        let expected = [0, 2, 0].flatMap { Self.rounded(Array(source.values[$0 * columns..<($0 + 1) * columns])) }
        #expect(back.values == expected)
    }

    @Test(arguments: InstructionSet.available) func zerosAndTinyNumbersAreZeros(set: InstructionSet) throws {
        let backend = try CPUBackend(instructionSet: set, threads: 1)
        let source = try Matrix(rows: 1, columns: 66)
        source.values = [Float](repeating: 0, count: 64) + [2e-38, -2e-38]
        let kept = try ShortRows(rows: 1, columns: 66)
        backend.scatter(source, [0], into: kept)
        let back = try Matrix(rows: 1, columns: 66)
        backend.gather(kept, [0], into: back)
        #expect(back.values.allSatisfy { $0 == 0 })
    }

    private static func rounded(_ row: [Float]) -> [Float] {
        stride(from: 0, to: row.count, by: 64).flatMap { begin in
            let block = row[begin..<min(begin + 64, row.count)]
            let largest = block.map { abs($0) }.max() ?? 0
            return block.map { ($0 * (32767 / largest)).rounded(.toNearestOrEven) * (largest / 32767) }
        }
    }
}
