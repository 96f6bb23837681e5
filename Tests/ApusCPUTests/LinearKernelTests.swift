import ApusCPU
import ApusTensor
import ApusTestSupport
import CKernels
import Testing

/// The matrix products of every instruction set against sums in fp64.
///
/// The tolerance is the bound on a sequential fp32 sum of n products, n · 2⁻²⁴ · Σ |terms|: a dropped or doubled term
/// is far outside it.
@Suite struct LinearKernelTests {
    struct Shape: CustomStringConvertible, Sendable {
        var format: PackedLinear.Format
        var outputs: Int
        var inputs: Int
        var rows: Int
        var group = 64
        var description: String { "\(format) \(outputs)x\(inputs) g\(group), \(rows) rows" }
    }

    /// Outputs that end inside a panel, more panels, steps and scales than one block holds, more rows than one block holds.
    static let shapes = [
        Shape(format: .f32, outputs: 53, inputs: 37, rows: 13),
        Shape(format: .f32, outputs: 1, inputs: 1, rows: 2),
        Shape(format: .f32, outputs: 7, inputs: 300, rows: 70),
        Shape(format: .bf16, outputs: 53, inputs: 38, rows: 13),
        Shape(format: .bf16, outputs: 9, inputs: 514, rows: 3),
        Shape(format: .bf16, outputs: 403, inputs: 18, rows: 3),
        Shape(format: .nf4, outputs: 53, inputs: 96, rows: 13, group: 32),
        Shape(format: .nf4, outputs: 49, inputs: 320, rows: 3),
        Shape(format: .nf4, outputs: 403, inputs: 64, rows: 2),
        Shape(format: .nf4, outputs: 5, inputs: 6, rows: 70, group: 2),
        Shape(format: .half, outputs: 53, inputs: 96, rows: 13, group: 32),
        Shape(format: .half, outputs: 403, inputs: 320, rows: 3),
        Shape(format: .half, outputs: 9, inputs: 18, rows: 70, group: 2),
        Shape(format: .half, outputs: 32, inputs: 192, rows: 13),
        Shape(format: .half, outputs: 24, inputs: 130, rows: 7, group: 2),
        Shape(format: .half, outputs: 8, inputs: 64, rows: 70),
        Shape(format: .half, outputs: 3, inputs: 320, rows: 3),
        Shape(format: .int8, outputs: 53, inputs: 96, rows: 13, group: 32),
        Shape(format: .int8, outputs: 403, inputs: 320, rows: 3, group: 32),
        Shape(format: .int8, outputs: 9, inputs: 18, rows: 70, group: 2),
        Shape(format: .nf4, outputs: 9, inputs: 4160, rows: 3),
        Shape(format: .nf4, outputs: 9, inputs: 4160, rows: 25),
        Shape(format: .int8, outputs: 9, inputs: 258, rows: 7, group: 2),
    ]

    private func linear(_ shape: Shape, _ set: InstructionSet) throws -> PackedLinear {
        try PackedLinear(
            shape.format, outputs: shape.outputs, inputs: shape.inputs, group: shape.group,
            instructionSet: set.rawValue)
    }

    @Test(arguments: shapes, InstructionSet.available)
    func readRowGivesWhatWasPacked(shape: Shape, set: InstructionSet) throws {
        let linear = try linear(shape, set)
        for row in 0..<shape.outputs {
            let expected = linear.values[row * shape.inputs..<(row + 1) * shape.inputs]
            #expect(linear.row(row) == Array(expected))
        }
    }

    @Test(arguments: shapes, InstructionSet.available)
    func forwardIsTheSum(shape: Shape, set: InstructionSet) throws {
        let linear = try linear(shape, set)
        var random = TestRandom(seed: 1)
        let x = random.floats(shape.rows * shape.inputs)
        let bias = random.floats(shape.outputs)
        let ld = shape.outputs + 3
        for start in [Start.zero, .bias, .accumulate] {
            let before = random.floats(shape.rows * ld)
            var y = before
            linear.forward(
                x, rows: shape.rows, bias: start == .bias ? bias : nil, into: &y, ldy: ld,
                accumulate: start == .accumulate)
            let product = Product(
                rows: shape.rows, columns: shape.outputs, depth: shape.inputs,
                left: linear.arithmetic.rows(x, depth: shape.inputs, block: shape.group),
                right: linear.arithmetic.forwardWeights(linear), rightIsTransposed: true)
            product.check(y, before: before, ld: ld, start: start, bias: bias)
        }
    }

    @Test(arguments: shapes, InstructionSet.available)
    func backwardIsTheSum(shape: Shape, set: InstructionSet) throws {
        let linear = try linear(shape, set)
        var random = TestRandom(seed: 2)
        // The head's backward pass begins at a tile of the vocabulary, which is a multiple of the panel width.
        let first = shape.outputs > linear.width ? linear.width : 0
        let outputs = first..<shape.outputs
        let dy = random.floats(shape.rows * outputs.count)
        let ld = shape.inputs + 1
        for start in [Start.zero, .accumulate] {
            let before = random.floats(shape.rows * ld)
            var dx = before
            linear.backward(
                dy, rows: shape.rows, outputs: outputs, into: &dx, ldx: ld, accumulate: start == .accumulate)
            let product = Product(
                rows: shape.rows, columns: shape.inputs, depth: outputs.count,
                left: linear.arithmetic.rows(
                    dy, depth: outputs.count, block: Int(linear.kernels.backward_block(Int32(shape.outputs)))),
                right: linear.arithmetic.backwardWeights(linear, outputs: outputs), rightIsTransposed: false)
            product.check(dx, before: before, ld: ld, start: start, bias: [])
        }
    }

    /// Protects everything above it: batch composition and the number of threads cannot change a result.
    @Test(arguments: shapes, InstructionSet.available)
    func aRowHasTheSameBitsInEveryCompanyAndPartition(shape: Shape, set: InstructionSet) throws {
        let linear = try linear(shape, set)
        var random = TestRandom(seed: 3)
        let x = random.floats(shape.rows * shape.inputs)
        let dy = random.floats(shape.rows * shape.outputs)
        var y = [Float](repeating: 0, count: shape.rows * shape.outputs)
        var dx = [Float](repeating: 0, count: shape.rows * shape.inputs)
        linear.forward(x, rows: shape.rows, bias: nil, into: &y, ldy: shape.outputs)
        linear.backward(dy, rows: shape.rows, outputs: 0..<shape.outputs, into: &dx, ldx: shape.inputs)
        for rows in 1...min(13, shape.rows) {
            var someY = [Float](repeating: 0, count: rows * shape.outputs)
            var someDX = [Float](repeating: 0, count: rows * shape.inputs)
            for panel in 0..<linear.outputPanels {
                linear.forward(
                    Array(x.suffix(rows * shape.inputs)), rows: rows, bias: nil, into: &someY, ldy: shape.outputs,
                    panels: panel..<panel + 1)
            }
            for panel in 0..<linear.inputPanels {
                linear.backward(
                    Array(dy.suffix(rows * shape.outputs)), rows: rows, outputs: 0..<shape.outputs, into: &someDX,
                    ldx: shape.inputs, panels: panel..<panel + 1)
            }
            #expect(someY == Array(y.suffix(rows * shape.outputs)), "\(rows) rows")
            #expect(someDX == Array(dx.suffix(rows * shape.inputs)), "\(rows) rows")
        }
    }

    /// What the 16-bit arithmetic costs: the products of unrounded factors, within the rounding of both sides.
    @Test(arguments: shapes.filter { $0.format == .nf4 || $0.format == .half }, InstructionSet.available)
    func roundingIsFinerThanBF16(shape: Shape, set: InstructionSet) throws {
        let linear = try linear(shape, set)
        guard case .fixed = linear.arithmetic else { return }
        var random = TestRandom(seed: 5)
        let x = random.floats(shape.rows * shape.inputs)
        var y = [Float](repeating: 0, count: shape.rows * shape.outputs)
        linear.forward(x, rows: shape.rows, bias: nil, into: &y, ldy: shape.outputs)
        for row in 0..<shape.rows {
            for output in 0..<shape.outputs {
                let terms = (0..<shape.inputs).map {
                    Double(x[row * shape.inputs + $0]) * Double(linear.values[output * shape.inputs + $0])
                }
                // Half a unit of a row whose largest value is at most 1, times the weights.
                let weights = (0..<shape.inputs).map { abs(Double(linear.values[output * shape.inputs + $0])) }
                let bound = weights.reduce(0, +) * 0x1p-14 + Double(shape.inputs) * 0x1p-24 * 8
                #expect(abs(Double(y[row * shape.outputs + output]) - terms.reduce(0, +)) <= bound)
            }
        }
    }

    /// A value that is not finite must reach the result, whatever the rounding does to it.
    @Test(arguments: [Float.nan, .infinity, -.infinity], InstructionSet.available)
    func whatIsNotFiniteShows(value: Float, set: InstructionSet) throws {
        for format in PackedLinear.Format.allCases {
            let linear = try PackedLinear(format, outputs: 20, inputs: 128, instructionSet: set.rawValue)
            var x = [Float](repeating: 0.5, count: 2 * 128)
            x[77] = value
            var y = [Float](repeating: 0, count: 2 * 20)
            linear.forward(x, rows: 2, bias: nil, into: &y, ldy: 20)
            let (poisoned, clean) = (y[..<20].allSatisfy { !$0.isFinite }, y[20...].allSatisfy { $0.isFinite })
            #expect(poisoned && clean, "\(format)")
        }
    }

    @Test(arguments: [1, 13, 64, 130], InstructionSet.available)
    func outerIsTheSum(rows: Int, set: InstructionSet) throws {
        let kernels = apus_kernels_named(set.rawValue).pointee.linear
        var random = TestRandom(seed: 4)
        let (width, columns, alpha) = (11, 53, Float(-0.75))
        let a = random.floats(rows * width)
        let b = random.floats(rows * columns)
        let before = random.floats(width * columns)
        var c = before
        kernels.outer(a, width, b, columns, Int32(rows), alpha, &c, columns, 0, 4, Int32(columns))
        #expect(c[(4 * columns)...] == before[(4 * columns)...])
        kernels.outer(a, width, b, columns, Int32(rows), alpha, &c, columns, 4, Int32(width), Int32(columns))
        let left = (0..<width * rows).map { Double(alpha) * Double(a[$0 % rows * width + $0 / rows]) }
        let product = Product(
            rows: width, columns: columns, depth: rows, left: left, right: b.map(Double.init), rightIsTransposed: false)
        product.check(c, before: before, ld: columns, start: .accumulate, bias: [])
    }

    @Test(arguments: InstructionSet.available)
    func quantisesLikeBitsAndBytes(set: InstructionSet) throws {
        let golden = try Fixture.json("bnb_nf4.json", as: NF4Golden.self)
        let quantize = apus_kernels_named(set.rawValue).pointee.linear.quantize_nf4!
        func check(_ values: [Float], hex: String, absmax: [Float]) {
            var codes = [UInt8](repeating: 255, count: values.count)
            var scales = [Float](repeating: .nan, count: (values.count + 63) / 64)
            quantize(values, values.count, &codes, &scales)
            let nibbles = hex.compactMap(\.hexDigitValue).map(UInt8.init)
            #expect(codes == Array(nibbles.prefix(values.count)))
            #expect(scales == absmax)
        }
        check(NF4Golden.matrix, hex: golden.plain.packed_hex, absmax: golden.plain.absmax)
        check(golden.odd.x, hex: golden.odd.packed_hex, absmax: golden.odd.absmax)
        var codes = [UInt8](repeating: 255, count: golden.thresholds.x.count)
        var scales = [Float](repeating: .nan, count: 1)
        quantize(golden.thresholds.x, golden.thresholds.x.count, &codes, &scales)
        #expect(codes == golden.thresholds.nibbles)
    }
}

/// What a product's sums begin with.
private enum Start { case zero, bias, accumulate }

/// left · right in fp64, with the sum of the terms' magnitudes for the error bound.
private struct Product {
    let rows: Int
    let columns: Int
    let depth: Int
    /// [rows][depth].
    let left: [Double]
    /// [depth][columns], or [columns][depth] where transposed.
    let right: [Double]
    let rightIsTransposed: Bool

    func check(_ result: [Float], before: [Float], ld: Int, start: Start, bias: [Float]) {
        var worst = 0.0
        for row in 0..<rows {
            for column in 0..<columns {
                var sum =
                    switch start {
                    case .zero: 0.0
                    case .bias: Double(bias[column])
                    case .accumulate: Double(before[row * ld + column])
                    }
                var magnitude = abs(sum)
                for k in 0..<depth {
                    let index = rightIsTransposed ? column * depth + k : k * columns + column
                    let term = left[row * depth + k] * right[index]
                    sum += term
                    magnitude += abs(term)
                }
                let bound = Double(depth + 3) * 0x1p-24 * magnitude
                let error = abs(Double(result[row * ld + column]) - sum)
                // Written so that a NaN fails.
                worst = error <= bound ? worst : .infinity
            }
            let gap = row * ld + columns..<(row + 1) * ld
            #expect(result[gap] == before[gap], "row \(row): written past its end")
        }
        #expect(worst == 0, "a sum is outside its rounding error")
    }
}
