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

            init(
                _ format: WeightFormat, outputs: Int, inputs: Int, rank: Int = 8, order: cuda_emulation_order,
                sharedMemory: Int = 99 << 10
            ) throws {
                cuda_emulation_reset()
                cuda_emulation_set_order(order, 3)
                cuda_emulation_set_shared_memory(sharedMemory)
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

            /// The weight's values.
            func weightRows() throws -> [[Float]] {
                let values = try backend.makeMatrix(rows: weight.outputs, columns: weight.inputs)
                let all = try backend.makeIndices((0..<Int32(weight.outputs)).map(\.self))
                backend.embed(all, table: weight, into: values)
                return try backend.download(values).chunked(by: weight.inputs)
            }

            func backward(_ rows: Range<Int>, _ dy: Matrix) throws -> [[Float]] {
                let dx = try backend.makeMatrix(rows: rows.count, columns: weight.inputs)
                backend.multiplyBackward(dy.rows(rows), weight, into: dx, accumulates: false)
                return try backend.download(dx).chunked(by: weight.inputs)
            }
        }

        /// Up to what each kernel of few rows has, one more, a tile, one more, and several tiles.
        private static let counts = [1, 5, 8, 9, 16, 17, 64, 65, 200]
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

        private static let orders = [CUDA_EMULATION_FORWARD, CUDA_EMULATION_REVERSE, CUDA_EMULATION_RANDOM]

        @Test(arguments: WeightFormat.allCases, [true, false])
        func rowsAlone(format: WeightFormat, adapted: Bool) throws {
            for (number, (outputs, inputs)) in [(300, 576), (24, 1090)].enumerated() {
                let trial = try Case(
                    format, outputs: outputs, inputs: inputs, order: Self.orders[(number + (adapted ? 1 : 0)) % 3])
                #expect(format == .f32 || trial.weight.cuda.leaves > 1)
                let wrong = try differing { try trial.forward($0, adapted: adapted) }
                #expect(wrong.isEmpty, "\(outputs) x \(inputs)")
            }
        }

        /// A card with as much shared memory as those of 2022 on, where tiles are wider.
        @Test(arguments: [WeightFormat.bf16, .int8, .nf4])
        func rowsAloneOnALargeCard(format: WeightFormat) throws {
            let trial = try Case(
                format, outputs: 520, inputs: 576, order: CUDA_EMULATION_RANDOM, sharedMemory: 227 << 10)
            #expect(try differing { try trial.forward($0, adapted: true) }.isEmpty)
            #expect(cuda_emulation_launch_count("apus_linear_wide") > 0)
        }

        @Test(arguments: zip(WeightFormat.allCases, orders + orders))
        func gradientsAlone(format: WeightFormat, order: cuda_emulation_order) throws {
            let trial = try Case(format, outputs: 130, inputs: 192, order: order)
            let dy = try trial.numbers.matrix(Case.rows, 130)
            #expect(try differing { try trial.backward($0, dy) }.isEmpty)
        }

        /// Against sums in double precision of the weight's values, as a look-up gives them.
        @Test(arguments: [WeightFormat.bf16, .int8, .nf4])
        func productsAreRight(format: WeightFormat) throws {
            for memory in [99 << 10, 227 << 10] {
                let trial = try Case(
                    format, outputs: 300, inputs: 1152, order: CUDA_EMULATION_REVERSE, sharedMemory: memory)
                let (w, x) = (try trial.weightRows(), try trial.backend.download(trial.x).chunked(by: 1152))
                let bias = try trial.backend.download(trial.bias)
                for rows in [3, 12, 20, 200] {
                    let y = try trial.forward(0..<rows, adapted: false)
                    let expected = (0..<rows).map { row in w.indices.map { dot(w[$0], x[row]) + Double(bias[$0]) } }
                    #expect(deviation(y, expected) < 0.01)
                }
            }
        }

        @Test(arguments: [WeightFormat.bf16, .int8, .nf4])
        func gradientsAreRight(format: WeightFormat) throws {
            let trial = try Case(format, outputs: 200, inputs: 192, order: CUDA_EMULATION_FORWARD)
            let (columns, dy) = (try trial.weightRows(), try trial.numbers.matrix(Case.rows, 200))
            let rows = try trial.backend.download(dy).chunked(by: 200)
            let expected = rows.map { row in
                (0..<192).map { input in dot(columns.map { $0[input] }, row) }
            }
            #expect(deviation(try trial.backward(0..<Case.rows, dy), expected) < 0.01)
        }

        private func dot(_ a: [Float], _ b: [Float]) -> Double {
            zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
        }

        /// The largest error in units of the root mean square.
        private func deviation(_ found: [[Float]], _ expected: [[Double]]) -> Double {
            let pairs = zip(found.joined(), expected.joined())
            let square = expected.joined().reduce(0) { $0 + $1 * $1 } / Double(max(1, expected.joined().count))
            return pairs.reduce(0) { max($0, abs(Double($1.0) - $1.1)) } / square.squareRoot()
        }

        /// Every kernel of products has run when this counts; addresses that conflict would make each of its loads wait.
        @Test(arguments: [WeightFormat.bf16, .int8, .nf4])
        func matricesLieInDifferentBanks(format: WeightFormat) throws {
            let trial = try Case(
                format, outputs: 520, inputs: 576, order: CUDA_EMULATION_FORWARD, sharedMemory: 227 << 10)
            for rows in [5, 12, 20, 70, 200] { _ = try trial.forward(0..<rows, adapted: true) }
            _ = try trial.backward(0..<200, trial.numbers.matrix(Case.rows, 520))
            let counts = cuda_emulation_statistics()
            #expect(counts.matrixLoads > 0 && counts.bankConflicts == 0)
        }

        /// A decoding step is a few launches for each input, whatever reads it.
        @Test func launchesOfADecodingStep() throws {
            let trial = try Case(.nf4, outputs: 520, inputs: 576, order: CUDA_EMULATION_FORWARD)
            let outputs = try (0..<3).map { _ in try trial.backend.makeMatrix(rows: 6, columns: 520) }
            let projected = try (0..<3).map { _ in try trial.backend.makeMatrix(rows: 6, columns: trial.rank) }
            try trial.backend.synchronize()
            let before = cuda_emulation_statistics().launches
            trial.backend.linear(
                trial.x.rows(0..<6),
                zip(outputs, projected).map {
                    LinearProduct(weight: trial.weight, bias: nil, lowRank: trial.lowRank, projected: $1, output: $0)
                })
            try trial.backend.synchronize()
            #expect(cuda_emulation_statistics().launches - before == 2)
        }
    }
}

extension [Float] {
    /// Rows of a flattened matrix.
    fileprivate func chunked(by length: Int) -> [[Float]] {
        stride(from: 0, to: count, by: length).map { Array(self[$0..<$0 + length]) }
    }
}
