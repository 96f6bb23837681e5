import ApusTensor
import ApusTestModels
import CCUDA
import CUDAEmulation
import Testing

@testable import ApusCUDA

extension EmulatedCard {
    /// The kernels of products: which of them runs depends on the number of rows, and no bit does.
    @Suite struct LinearTests {
        /// Numbers between -1 and 1, of a linear congruence.
        private final class Numbers {
            private let backend: CUDABackend
            private var state: UInt64 = 1

            init(_ backend: CUDABackend) { self.backend = backend }

            func next() -> Float {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Float(Int32(truncatingIfNeeded: state >> 32)) * 0x1p-31
            }

            func matrix(_ rows: Int, _ columns: Int) throws -> Matrix {
                let values = (0..<rows * columns).map { _ in next() }
                return try backend.makeMatrix(values, rows: rows, columns: columns)
            }
        }

        /// A weight with an adapter, and rows for it.
        private struct Case {
            static let rows = 200
            let backend: CUDABackend
            let numbers: Numbers
            let weight: Weight
            let lowRank: LowRank
            let bias: Matrix
            let x: Matrix
            let rank: Int

            init(_ format: WeightFormat, outputs: Int, inputs: Int, rank: Int = 8) throws {
                cuda_emulation_reset()
                let backend = try TestDevice.emulatedCard()
                let numbers = Numbers(backend)
                (self.backend, self.numbers, self.rank) = (backend, numbers, rank)
                weight = try backend.makeWeight(format, outputs: outputs, inputs: inputs) { _, values in
                    for index in values.indices { values[index] = numbers.next() }
                }
                lowRank = LowRank(
                    a: try backend.makeAdapterWeight(outputs: rank, inputs: inputs, beside: format),
                    b: try backend.makeAdapterWeight(outputs: outputs, inputs: rank, beside: format))
                (bias, x) = (try numbers.matrix(1, outputs), try numbers.matrix(Self.rows, inputs))
                backend.repack([
                    Repacking(lowRank.a, from: try numbers.matrix(rank, inputs)),
                    Repacking(lowRank.b, from: try numbers.matrix(outputs, rank), scale: 0.5),
                ])
            }

            /// Row by row y and, where there is an adapter, the projection.
            func forward(_ rows: Range<Int>, adapted: Bool) throws -> [[Float]] {
                let y = try backend.makeMatrix(rows: rows.count, columns: weight.outputs)
                let projected = try backend.makeMatrix(rows: rows.count, columns: rank)
                let product = LinearProduct(
                    weight: weight, bias: bias, lowRank: adapted ? lowRank : nil, projected: adapted ? projected : nil,
                    output: y)
                backend.linear(x.rows(rows), [product])
                let values = Array(try backend.download(y).chunked(by: weight.outputs))
                guard adapted else { return values }
                return zip(values, try backend.download(projected).chunked(by: rank)).map { $0 + $1 }
            }

            func backward(_ rows: Range<Int>, _ dy: Matrix) throws -> [[Float]] {
                let dx = try backend.makeMatrix(rows: rows.count, columns: weight.inputs)
                backend.multiplyBackward(dy.rows(rows), weight, into: dx, accumulates: false)
                return try backend.download(dx).chunked(by: weight.inputs)
            }
        }

        /// Few rows, one more than that, a tile, one more, and several tiles.
        private static let counts = [1, 5, 8, 9, 64, 65, 200]
        /// Rows that are computed alone.
        private static let some = Array(stride(from: 0, to: Case.rows, by: 11)) + Array(Case.rows - 9..<Case.rows)

        /// The sizes of batches of which some row does not have the bits that it has alone.
        private func differing(_ result: (Range<Int>) throws -> [[Float]]) throws -> [Int] {
            let alone = try Self.some.map { (row: $0, bits: try result($0..<$0 + 1)[0].map(\.bitPattern)) }
            return try Self.counts.filter { count in
                // The last rows: in a batch they have other places than alone, and than in a larger batch.
                let first = Case.rows - count
                let together = try result(first..<Case.rows)
                return alone.contains { $0.row >= first && $0.bits != together[$0.row - first].map(\.bitPattern) }
            }
        }

        @Test(arguments: WeightFormat.allCases, [true, false])
        func rowsAlone(format: WeightFormat, adapted: Bool) throws {
            for (outputs, inputs) in [(300, 576), (24, 1090)] {
                let trial = try Case(format, outputs: outputs, inputs: inputs)
                #expect(format == .f32 || trial.weight.cuda.leaves > 1)
                let wrong = try differing { try trial.forward($0, adapted: adapted) }
                #expect(wrong.isEmpty, "\(outputs) x \(inputs)")
            }
        }

        @Test(arguments: WeightFormat.allCases)
        func gradientsAlone(format: WeightFormat) throws {
            let trial = try Case(format, outputs: 130, inputs: 192)
            let dy = try trial.numbers.matrix(Case.rows, 130)
            #expect(try differing { try trial.backward($0, dy) }.isEmpty)
        }
    }
}

extension [Float] {
    /// Rows of a flattened matrix.
    fileprivate func chunked(by length: Int) -> [[Float]] {
        stride(from: 0, to: count, by: length).map { Array(self[$0..<$0 + length]) }
    }
}
