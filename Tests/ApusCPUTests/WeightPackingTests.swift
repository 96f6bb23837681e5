import ApusCPU
import ApusTensor
import ApusTestSupport
import CKernels
import Testing

/// Weights as a backend packs them, read back row by row.
@Suite struct WeightPackingTests {
    private func rows(_ weight: Weight, _ backend: CPUBackend) throws -> [Float] {
        let read = try backend.makeMatrix(rows: weight.outputs, columns: weight.inputs)
        backend.embed(try backend.makeIndices((0..<Int32(weight.outputs)).map { $0 }), table: weight, into: read)
        return backend.download(read)
    }

    private func pack(
        _ values: [Float], _ format: WeightFormat, outputs: Int, inputs: Int, _ backend: CPUBackend
    ) throws -> Weight {
        try backend.makeWeight(format, outputs: outputs, inputs: inputs) { range, destination in
            _ = destination.update(from: values[range.lowerBound * inputs..<range.upperBound * inputs])
        }
    }

    /// A weight is read a few rows at a time, and NF4's blocks of 64 run over the flattened matrix. 2,689 rows of 96 are
    /// one more than a part holds, and a block there spans two rows.
    @Test(arguments: [(2689, 96), (130, 2048)], InstructionSet.available)
    func nf4InPartsIsTheFlattenedMatrix(shape: (outputs: Int, inputs: Int), set: InstructionSet) throws {
        var random = TestRandom(seed: 15)
        let count = shape.outputs * shape.inputs
        let values = random.floats(count)
        var codes = [UInt8](repeating: 0, count: count)
        var scales = [Float](repeating: 0, count: (count + 63) / 64)
        apus_kernels_named(set.rawValue).pointee.linear.quantize_nf4(values, count, &codes, &scales)
        let table = try Fixture.json("bnb_nf4.json", as: NF4Golden.self).quant_map
        let usesBF16 = apus_kernels_named(set.rawValue).pointee.linear.half_format == APUS_WEIGHT_BF16
        let expected = codes.indices.map {
            effectiveNF4(table[Int(codes[$0])], scale: scales[$0 / 64], usesBF16: usesBF16)
        }
        let backend = try CPUBackend(instructionSet: set, threads: 3)
        let packed = try pack(values, .nf4, outputs: shape.outputs, inputs: shape.inputs, backend)
        #expect(try rows(packed, backend) == expected)
        let pairs = stride(from: 0, to: count, by: 2).map { codes[$0] << 4 | codes[$0 + 1] }
        let stored = try backend.makeWeight(
            NF4Matrix(codes: pairs, scales: scales, outputs: shape.outputs, inputs: shape.inputs))
        #expect(try rows(stored, backend) == expected)
    }

    /// Every scale that 16 bits hold comes back as it is, what lies between becomes the nearest, what is below zero becomes
    /// zero, and all of fp16 in their range is among them.
    @Test(arguments: InstructionSet.available)
    func scalesAreTheNearestOf16Bits(set: InstructionSet) throws {
        let held =
            [0]
            + (1..<0xFFFF).map {
                Float(2048 + $0 % 2048) * Float(sign: .plus, exponent: $0 / 2048 - 31, significand: 1)
            }
        var random = TestRandom(seed: 18)
        let between = zip(held, held.dropFirst()).map { $0 + ($1 - $0) * random.float(in: 0..<1) }
        let ties = zip(held, held.dropFirst()).map { ($0 + $1) / 2 }
        #expect(held.allSatisfy { shortScale($0) == $0 })
        let halves = (1..<Float16(4094).bitPattern).map { Float(Float16(bitPattern: $0)) }.filter { $0 > 0x1p-20 }
        #expect(halves.allSatisfy { shortScale($0) == $0 })
        let usesBF16 = apus_kernels_named(set.rawValue).pointee.linear.half_format == APUS_WEIGHT_BF16
        let backend = try CPUBackend(instructionSet: set, threads: 2)
        for scales in [held, between, ties, [-0.0, -0.001, -5000]] {
            let codes = [UInt8](repeating: 0xFF, count: 32 * scales.count)
            let weight = try backend.makeWeight(
                NF4Matrix(codes: codes, scales: scales, outputs: scales.count, inputs: 64))
            let expected = scales.flatMap { scale in
                [Float](repeating: effectiveNF4(1, scale: scale, usesBF16: usesBF16), count: 64)
            }
            #expect(try rows(weight, backend) == expected)
        }
    }

    @Test func aValueThatNoScaleReachesIsRefused() throws {
        let backend = try CPUBackend(threads: 2)
        var values = [Float](repeating: 0.5, count: 70 * 64)
        values[4000] = 4094
        _ = try pack(values, .nf4, outputs: 70, inputs: 64, backend)
        for value in [4095, Float.infinity] {
            values[4000] = value
            #expect(throws: TensorError.self) { try pack(values, .nf4, outputs: 70, inputs: 64, backend) }
        }
    }

    @Test(arguments: InstructionSet.available)
    func bf16InPartsIsEveryValueRounded(set: InstructionSet) throws {
        var random = TestRandom(seed: 16)
        let values = random.floats(130 * 2048, in: -1000..<1000)
        let backend = try CPUBackend(instructionSet: set, threads: 3)
        let packed = try pack(values, .bf16, outputs: 130, inputs: 2048, backend)
        #expect(try rows(packed, backend) == values.map(roundedToBF16))
    }

    @Test(arguments: InstructionSet.available)
    func halfInPartsIsEveryBlockRounded(set: InstructionSet) throws {
        var random = TestRandom(seed: 17)
        let values = random.floats(130 * 2048, in: -1000..<1000)
        let backend = try CPUBackend(instructionSet: set, threads: 3)
        let packed = try pack(values, .half, outputs: 130, inputs: 2048, backend)
        let usesBF16 = apus_kernels_named(set.rawValue).pointee.linear.half_format == APUS_WEIGHT_BF16
        let expected =
            usesBF16
            ? values.map(roundedToBF16) : FixedPoint(rounding: values, limit: 4095, width: 2048, block: 64).values
        #expect(try rows(packed, backend) == expected)
    }

    @Test func anOddWidthIsRefusedWhereValuesArePaired() throws {
        let backend = try CPUBackend(threads: 1)
        let values = [Float](repeating: 1, count: 12)
        for format in [WeightFormat.bf16, .half, .nf4] {
            #expect(throws: TensorError.self) { try pack(values, format, outputs: 4, inputs: 3, backend) }
        }
        #expect(try rows(pack(values, .f32, outputs: 4, inputs: 3, backend), backend) == values)
    }
}
