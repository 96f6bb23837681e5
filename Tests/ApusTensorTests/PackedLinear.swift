import ApusTestSupport
import CKernels

/// A weight packed for one kernel table, and the effective values that it stands for by definition of its format.
final class PackedLinear {
    enum Format: String, CaseIterable { case f32, bf16, nf4 }

    let kernels: apus_linear_kernels
    let outputs: Int
    let inputs: Int
    /// What the stored form means, [outputs][inputs].
    let values: [Float]
    /// Whether products of this weight round both factors to bf16.
    let roundsFactors: Bool
    var packed: apus_weight
    private let scratch: UnsafeMutablePointer<Float>

    var width: Int { Int(kernels.panel_width) }
    var outputPanels: Int { (outputs + width - 1) / width }
    var inputPanels: Int { (inputs + width - 1) / width }

    /// - Parameter group: NF4: inputs that share a scale.
    init(_ format: Format, outputs: Int, inputs: Int, group: Int = 64, instructionSet: String) throws {
        let kernels = apus_kernels_named(instructionSet).pointee.linear
        self.kernels = kernels
        self.outputs = outputs
        self.inputs = inputs
        let stored = [Format.f32: APUS_WEIGHT_F32, .bf16: APUS_WEIGHT_BF16, .nf4: APUS_WEIGHT_NF4][format]!
        let width = Int(kernels.panel_width)
        let panels = (outputs + width - 1) / width
        let bytes = kernels.panel_bytes(stored, Int32(inputs)) * panels
        let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        let scaleCount = format == .nf4 ? panels * width * (inputs / group) : 1
        let scales = UnsafeMutablePointer<Float>.allocate(capacity: scaleCount)
        scales.initialize(repeating: 0, count: scaleCount)
        packed = apus_weight(
            format: stored, outputs: Int32(outputs), inputs: Int32(inputs), group: Int32(group), panels: memory,
            scales: scales)
        scratch = .allocate(capacity: kernels.scratch_floats)
        roundsFactors = kernels.pairs != 0 && format != .f32
        var random = TestRandom(seed: UInt64(outputs * 1000 + inputs))
        if format == .nf4 {
            let codes = (0..<outputs * inputs).map { _ in UInt8(random.next() >> 60) }
            let groupScales = (0..<outputs * inputs / group).map { _ in random.float(in: 0.25..<2) }
            kernels.pack_nf4(&packed, 0, Int32(outputs), codes, groupScales)
            let table = try Fixture.json("bnb_nf4.json", as: NF4Golden.self).quant_map
            values = codes.indices.map { table[Int(codes[$0])] * groupScales[$0 / group] }
        } else {
            let rows = random.floats(outputs * inputs)
            // Two calls: the second begins inside a panel.
            let split = outputs / 3
            kernels.pack(&packed, 0, Int32(split), rows, inputs)
            kernels.pack(&packed, Int32(split), Int32(outputs - split), Array(rows[(split * inputs)...]), inputs)
            values = format == .bf16 ? rows.map(roundedToBF16) : rows
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
            kernels.forward(
                &packed, x, inputs, Int32(rows), bias, &y, ldy, accumulate ? 1 : 0, Int32(panels.lowerBound),
                Int32(panels.upperBound), scratch)
        }
        if let bias { bias.withUnsafeBufferPointer { call($0.baseAddress) } } else { call(nil) }
    }

    /// The backward kernel over some outputs; dy has a column for each of them.
    func backward(
        _ dy: [Float], rows: Int, outputs range: Range<Int>, into dx: inout [Float], ldx: Int,
        accumulate: Bool = false, panels: Range<Int>? = nil
    ) {
        let panels = panels ?? 0..<inputPanels
        kernels.backward(
            &packed, dy, range.count, Int32(rows), Int32(range.lowerBound), Int32(range.upperBound), &dx, ldx,
            accumulate ? 1 : 0, Int32(panels.lowerBound), Int32(panels.upperBound), scratch)
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
