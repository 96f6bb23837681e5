import ApusTestSupport
import CKernels

/// A weight packed for one kernel table, and the effective values that it stands for by definition of its format.
final class PackedLinear {
    enum Format: String, CaseIterable { case f32, bf16, nf4, half, int8 }

    let kernels: apus_linear_kernels
    let outputs: Int
    let inputs: Int
    /// What the stored form means, [outputs][inputs].
    let values: [Float]
    let arithmetic: Arithmetic
    let rowFormat: apus_row_format
    var packed: apus_weight
    private let scratch: UnsafeMutablePointer<Float>

    var width: Int { Int(kernels.panel_width) }
    var outputPanels: Int { (outputs + width - 1) / width }
    var inputPanels: Int { (inputs + width - 1) / width }

    /// - Parameter group: NF4 and half: inputs that share a scale.
    init(_ format: Format, outputs: Int, inputs: Int, group: Int = 64, instructionSet: String) throws {
        let kernels = apus_kernels_named(instructionSet).pointee.linear
        self.kernels = kernels
        self.outputs = outputs
        self.inputs = inputs
        let stored =
            switch format {
            case .f32: APUS_WEIGHT_F32
            case .bf16: APUS_WEIGHT_BF16
            case .half: kernels.half_format
            case .nf4: APUS_WEIGHT_NF4
            case .int8: APUS_WEIGHT_INT8
            }
        rowFormat = kernels.row_format(stored)
        let width = Int(kernels.panel_width)
        let panels = (outputs + width - 1) / width
        let bytes = kernels.panel_bytes(stored, Int32(outputs), Int32(inputs)) * panels
        let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        let scaleCount = panels * Int(kernels.stored_width(stored, Int32(outputs))) * (inputs / group)
        let scaleBytes = scaleCount * kernels.scale_bytes(stored)
        let scales = UnsafeMutableRawPointer.allocate(byteCount: scaleBytes, alignment: 64)
        scales.initializeMemory(as: UInt8.self, repeating: 0, count: scaleBytes)
        packed = apus_weight(
            format: stored, outputs: Int32(outputs), inputs: Int32(inputs), group: Int32(group), panels: memory,
            scales: scales)
        scratch = .allocate(capacity: kernels.scratch_floats)
        var random = TestRandom(seed: UInt64(outputs * 1000 + inputs))
        let usesBF16 = rowFormat == APUS_ROWS_BF16
        if format == .nf4 {
            let codes = (0..<outputs * inputs).map { _ in UInt8(random.next() >> 60) }
            let groupScales = (0..<outputs * inputs / group).map { _ in random.float(in: 0.25..<2) }
            kernels.pack_nf4(&packed, 0, Int32(outputs), codes, groupScales)
            let table = try Fixture.json("bnb_nf4.json", as: NF4Golden.self).quant_map
            if usesBF16 {
                arithmetic = .bf16(scaled: true)
                values = codes.indices.map {
                    effectiveNF4(table[Int(codes[$0])], scale: groupScales[$0 / group], usesBF16: true)
                }
            } else {
                let fixed = FixedPoint(
                    levels: codes.map { (4095 * table[Int($0)]).rounded() },
                    units: groupScales.map { shortScale($0) * (1 / 4095) },
                    group: group)
                arithmetic = .fixed(fixed)
                values = fixed.values
            }
            return
        }
        let rows = random.floats(outputs * inputs)
        // Two calls: the second begins inside a panel.
        let split = outputs / 3
        kernels.pack(&packed, 0, Int32(split), rows, inputs)
        kernels.pack(&packed, Int32(split), Int32(outputs - split), Array(rows[(split * inputs)...]), inputs)
        switch format {
        case .f32, .bf16:
            arithmetic = usesBF16 ? .bf16(scaled: false) : .f32
            values = format == .f32 ? rows : rows.map(roundedToBF16)
        case .half where usesBF16:
            arithmetic = .bf16(scaled: false)
            values = rows.map(roundedToBF16)
        default:
            let fixed =
                format == .int8
                ? FixedPoint(int8: rows, group: group)
                : FixedPoint(rounding: rows, limit: 4095, width: inputs, block: group)
            arithmetic = usesBF16 ? .bf16(scaled: true) : .fixed(fixed)
            values = fixed.values
        }
    }

    deinit {
        packed.panels.deallocate()
        packed.scales.deallocate()
        scratch.deallocate()
    }

    func row(_ index: Int) -> [Float] {
        var row = [Float](repeating: .nan, count: inputs)
        kernels.read_row(&packed, Int32(index), &row)
        return row
    }

    /// The forward kernel on `rows` rows of y, whose leading dimension is `ldy`.
    func forward(
        _ x: [Float], rows: Int, bias: [Float]?, into y: inout [Float], ldy: Int, accumulate: Bool = false,
        panels: Range<Int>? = nil
    ) {
        let panels = panels ?? 0..<outputPanels
        // A null bias and an empty one are not the same to the kernel.
        func call(_ bias: UnsafePointer<Float>?) {
            withRows(x, count: rows, depth: inputs, block: rowFormat == APUS_ROWS_FIXED ? Int(packed.group) : 2) { x in
                kernels.forward(
                    &packed, x, bias, &y, ldy, accumulate ? 1 : 0, Int32(panels.lowerBound), Int32(panels.upperBound),
                    scratch)
            }
        }
        if let bias { bias.withUnsafeBufferPointer { call($0.baseAddress) } } else { call(nil) }
    }

    /// The backward kernel over some outputs; dy has a column for each of them.
    func backward(
        _ dy: [Float], rows: Int, outputs range: Range<Int>, into dx: inout [Float], ldx: Int,
        accumulate: Bool = false, panels: Range<Int>? = nil
    ) {
        let panels = panels ?? 0..<inputPanels
        let block = rowFormat == APUS_ROWS_FIXED ? Int(kernels.backward_block(packed.outputs)) : 2
        withRows(dy, count: rows, depth: range.count, block: block) { dy in
            kernels.backward(
                &packed, dy, Int32(range.lowerBound), Int32(range.upperBound), &dx, ldx, accumulate ? 1 : 0,
                Int32(panels.lowerBound), Int32(panels.upperBound), scratch)
        }
    }

    /// Lends rows in the form that this weight's products read.
    private func withRows(
        _ x: [Float], count: Int, depth: Int, block: Int, _ body: (UnsafePointer<apus_rows>) -> Void
    ) {
        let blocks = (depth + block - 1) / block
        let stride = blocks * block
        var rounded = [UInt16](repeating: 0x7FFF, count: count * stride)
        var scales = [Float](repeating: .nan, count: count * blocks)
        let rounds = rowFormat != APUS_ROWS_F32
        if rounds {
            kernels.round_rows(
                rowFormat, x, depth, Int32(count), Int32(depth), Int32(block), &rounded, stride, &scales, blocks)
        }
        x.withUnsafeBufferPointer { x in
            rounded.withUnsafeBufferPointer { rounded in
                scales.withUnsafeBufferPointer { scales in
                    var rows = apus_rows(
                        values: rounds ? nil : x.baseAddress, ld: depth, count: Int32(count),
                        rounded: rounds ? rounded.baseAddress : nil, rounded_ld: stride, scales: scales.baseAddress,
                        scale_ld: blocks)
                    body(&rows)
                }
            }
        }
    }
}

/// What an NF4 code stands for: 16 bits of the table's value, times what a unit is worth by the scale in 16 bits.
func effectiveNF4(_ value: Float, scale: Float, usesBF16: Bool) -> Float {
    let scale = shortScale(scale)
    return usesBF16 ? roundedToBF16(value) * scale : (4095 * value).rounded() * (scale * (1 / 4095))
}

/// A scale as NF4 holds it: a multiple of 2⁻¹¹ of the power of two below, from 2⁻²⁰ on; smaller ones are zero or the next.
func shortScale(_ scale: Float) -> Float {
    guard scale > 0x1p-20 else { return scale > 0x1p-21 ? 0x1p-20 * (1 + 0x1p-11) : 0 }
    let unit = Float(sign: .plus, exponent: scale.exponent - 11, significand: 1)
    return max((scale / unit).rounded(.toNearestOrEven) * unit, 0x1p-20 * (1 + 0x1p-11))
}

/// What a weight's products multiply.
enum Arithmetic {
    case f32
    /// Both factors are bf16; `scaled`: the weight's scale comes after the product, so only its level is rounded.
    case bf16(scaled: Bool)
    case fixed(FixedPoint)

    /// The values of rows [count][depth] that enter a product.
    func rows(_ x: [Float], depth: Int, block: Int) -> [Double] {
        switch self {
        case .f32: x.map(Double.init)
        case .bf16: x.map { Double(roundedToBF16($0)) }
        case .fixed: FixedPoint(rounding: x, limit: 8191, width: depth, block: block).values.map(Double.init)
        }
    }

    /// The values of a weight, [outputs][inputs], that enter a product with rows of inputs.
    func forwardWeights(_ linear: PackedLinear) -> [Double] { linear.values.map(Double.init) }

    /// The values of some of its outputs that enter a product with rows of outputs.
    func backwardWeights(_ linear: PackedLinear, outputs: Range<Int>) -> [Double] {
        let part = outputs.lowerBound * linear.inputs..<outputs.upperBound * linear.inputs
        switch self {
        case .f32: return linear.values[part].map(Double.init)
        case .bf16: return linear.values[part].map { Double(roundedToBF16($0)) }
        case .fixed(let fixed):
            return fixed.turned(
                outputs, inputs: linear.inputs, block: Int(linear.kernels.backward_block(Int32(linear.outputs))))
        }
    }
}

/// Integers with a unit for each group of consecutive values of a row.
struct FixedPoint {
    var levels: [Float]
    var units: [Float]
    var group: Int

    /// Powers of two by which levels are larger where the backward direction rounds them: of 8-bit integers.
    var shift = 0

    var values: [Float] { levels.indices.map { levels[$0] * units[unit(of: $0)] } }

    private var width = 0
    private func unit(of index: Int) -> Int {
        guard width > 0 else { return index / group }
        return index / width * ((width + group - 1) / group) + index % width / group
    }

    /// Rows whose width is a multiple of the group.
    init(levels: [Float], units: [Float], group: Int) {
        self.levels = levels
        self.units = units
        self.group = group
    }

    /// Rounds rows of `width` values: the largest of each block becomes `limit`. A row's last block may be short.
    init(rounding x: [Float], limit: Float, width: Int, block: Int) {
        self.init(levels: x, units: [], group: block)
        self.width = width
        for row in stride(from: 0, to: x.count, by: width) {
            for begin in stride(from: row, to: row + width, by: block) {
                let range = begin..<min(begin + block, row + width)
                let largest = x[range].reduce(0) { max($0, abs($1)) }
                units.append(largest * (1 / limit))
                for i in range { levels[i] = (x[i] * (limit / largest)).rounded(.toNearestOrEven) }
            }
        }
    }

    /// 8-bit integers: of the grids with 8, 16, 7, 15 and 127 steps to the largest magnitude of a group the first that holds
    /// every value, or the last.
    init(int8 x: [Float], group: Int) {
        self.init(levels: x, units: [], group: group)
        shift = 5
        for begin in stride(from: 0, to: x.count, by: group) {
            let range = begin..<begin + group
            let largest = x[range].reduce(0) { max($0, abs($1)) }
            let grid = [8, 16, 7, 15].first { steps in
                x[range].allSatisfy { ($0 / (largest / steps)).rounded() == $0 / (largest / steps) }
            }
            let unit = largest / (grid ?? 127)
            units.append(unit)
            for i in range { levels[i] = (x[i] / unit).rounded(.toNearestOrEven) }
        }
    }

    /// The values of some rows when all rows of a block share one unit in each column: the largest. A ratio of units is a
    /// number of 2⁻¹⁵ that 16 bits hold.
    func turned(_ rows: Range<Int>, inputs: Int, block: Int) -> [Double] {
        var result: [Double] = []
        let count = levels.count / inputs
        for row in rows {
            let first = rows.lowerBound + (row - rows.lowerBound) / block * block
            for column in 0..<inputs {
                func unit(_ row: Int) -> Float { units[self.unit(of: row * inputs + column)] }
                let largest = (first..<min(first + block, count)).reduce(0) { max($0, unit($1)) }
                let ratio = Int(min(unit(row) * (1 / largest) * 32768, 32767).rounded(.toNearestOrAwayFromZero))
                let level = (Int(levels[row * inputs + column]) << shift * ratio + 0x4000) >> 15
                result.append(Double(level) * Double(largest / Float(1 << shift)))
            }
        }
        return result
    }
}

/// The table of the 16 NF4 values and codes that bitsandbytes gave.
struct NF4Golden: Decodable {
    struct Thresholds: Decodable {
        var x: [Float]
        var nibbles: [UInt8]
    }
    struct Packed: Decodable {
        var packed_hex: String
        var absmax: [Float]
    }
    struct Odd: Decodable {
        var x: [Float]
        var packed_hex: String
        var absmax: [Float]
    }
    var quant_map: [Float]
    var plain: Packed
    var odd: Odd
    var thresholds: Thresholds

    /// The [130, 128] matrix of the fixture, from its generator.
    static var matrix: [Float] {
        var state: UInt32 = 2024
        return (0..<130 * 128).map { i in
            state = state &* 1_664_525 &+ 1_013_904_223
            return (Float(state >> 8) / 16_777_216 - 0.5) * (Float((i / 64) % 13 + 1) / 16)
        }
    }
}

/// The nearest bf16, ties to even: of the two neighbours that keep 8 bits of the mantissa.
func roundedToBF16(_ x: Float) -> Float {
    let low = Float(bitPattern: x.bitPattern & 0xFFFF_0000)
    let high = Float(bitPattern: low.bitPattern + 0x1_0000)
    let (below, above) = (abs(Double(x) - Double(low)), abs(Double(high) - Double(x)))
    if below != above { return below < above ? low : high }
    return low.bitPattern & 0x1_0000 == 0 ? low : high
}

/// SplitMix64: the same inputs in every run.
struct TestRandom {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func float(in range: Range<Float> = -1..<1) -> Float {
        range.lowerBound + (range.upperBound - range.lowerBound) * Float(next() >> 40) / 16_777_216
    }

    mutating func floats(_ count: Int, in range: Range<Float> = -1..<1) -> [Float] {
        (0..<count).map { _ in float(in: range) }
    }
}
