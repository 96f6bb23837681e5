import ApusFormats
import ApusTestSupport
import Foundation
import Testing

/// NF4 against bitsandbytes on the same numbers.
@Suite struct NF4Tests {
    struct Golden: Decodable, Sendable {
        struct Plain: Decodable, Sendable {
            var packed_hex: String
            var absmax: [Float]
            var dequant_bf16: Dequantised
        }
        struct Nested: Decodable, Sendable {
            var absmax_u8_hex: String
            var nested_absmax: [Float]
            var nested_offset: Float
            var absmax_dequantised: [Float]
            var dequant_fp32: Dequantised
            var dequant_bf16: Dequantised
        }
        struct Dequantised: Decodable, Sendable {
            var first: [Float]
            var last: [Float]
            var base64_le: String?
        }
        struct Odd: Decodable, Sendable {
            var x: [Float]
            var packed_hex: String
            var absmax: [Float]
            var dequant_fp32: [Float]
        }
        struct Thresholds: Decodable, Sendable {
            var x: [Float]
            var nibbles: [UInt8]
        }
        var quant_map: [Float]
        var x_first8: [Float]
        var plain: Plain
        var nested: Nested
        var odd: Odd
        var thresholds: Thresholds
        var nested_quant_map: [Float]
    }

    private let golden: Golden

    init() throws { golden = try Fixture.json("bnb_nf4.json") }

    /// The [130, 128] matrix of the fixture, from its generator.
    private var matrix: [Float] {
        var state: UInt32 = 2024
        return (0..<130 * 128).map { i in
            state = state &* 1_664_525 &+ 1_013_904_223
            return (Float(state >> 8) / 16_777_216 - 0.5) * (Float((i / 64) % 13 + 1) / 16)
        }
    }

    @Test func tablesAreTheSame() {
        #expect(NF4.table == golden.quant_map)
        #expect(NF4.dynamicMap.map(\.bitPattern) == golden.nested_quant_map.map(\.bitPattern))
    }

    @Test func quantisesTheSameBytes() {
        let values = matrix
        #expect(Array(values.prefix(8)) == golden.x_first8)
        let (codes, absmax) = NF4.quantize(values)
        #expect(codes == bytes(hex: golden.plain.packed_hex))
        #expect(absmax == golden.plain.absmax)
        let restored = NF4.dequantize(codes: codes, absmax: absmax, count: values.count)
        #expect(bfloat16Bytes(restored) == Data(base64Encoded: golden.plain.dequant_bf16.base64_le ?? ""))
    }

    @Test func quantisesTheScalesTheSame() {
        let values = matrix
        let (codes, absmax) = NF4.quantize(values)
        let nested = NF4.NestedScales(quantizing: absmax)
        #expect(nested.codes == bytes(hex: golden.nested.absmax_u8_hex))
        #expect(nested.absmax == golden.nested.nested_absmax)
        #expect(nested.offset == golden.nested.nested_offset)
        #expect(nested.dequantized() == golden.nested.absmax_dequantised)
        let restored = NF4.dequantize(codes: codes, absmax: nested.dequantized(), count: values.count)
        #expect(Array(restored.prefix(128)) == golden.nested.dequant_fp32.first)
        #expect(Array(restored.suffix(128)) == golden.nested.dequant_fp32.last)
        #expect(bfloat16Bytes(restored) == Data(base64Encoded: golden.nested.dequant_bf16.base64_le ?? ""))
    }

    @Test func oddSizesAndZeroBlocks() {
        let (codes, absmax) = NF4.quantize(golden.odd.x)
        #expect(codes == bytes(hex: golden.odd.packed_hex))
        #expect(absmax == golden.odd.absmax)
        #expect(NF4.dequantize(codes: codes, absmax: absmax, count: 111) == golden.odd.dequant_fp32)
        #expect(NF4.quantize([]).codes.isEmpty)
        #expect(NF4.quantize([0.5]).codes == [0xF7])
    }

    @Test func thresholdsAreStrict() {
        let (codes, _) = NF4.quantize(golden.thresholds.x)
        #expect(codes.flatMap { [$0 >> 4, $0 & 15] } == golden.thresholds.nibbles)
    }

    private func bfloat16Bytes(_ values: [Float]) -> Data {
        Data(values.flatMap { [UInt8(truncatingIfNeeded: $0.bfloat16Bits), UInt8($0.bfloat16Bits >> 8)] })
    }
}
