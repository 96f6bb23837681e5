import ApusFormats
import ApusTestSupport
import Foundation
import Testing

/// Quantisers against llama.cpp's own and against our decoders.
@Suite struct BlockEncoderTests {
    static let golden: [String: String] = (try? Fixture.json("quantize.json")) ?? [:]
    private static let numbers: [ElementType: UInt32] = [
        .f32: 0, .f16: 1, .q4_0: 2, .q5_0: 6, .q8_0: 8, .q4_K: 12, .q6_K: 14, .bf16: 30,
    ]

    private var input: [Float] {
        let stored = bytes(hex: Self.golden["input"] ?? "")
        return stride(from: 0, to: stored.count, by: 4).map { offset in
            Float(bitPattern: stored[offset..<offset + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) })
        }
    }

    private func decoded(_ stored: [UInt8], _ type: ElementType, count: Int) throws -> [Float] {
        let folder = try TemporaryFolder()
        var builder = GGUFBuilder()
        builder.append("w", shape: [count], type: try #require(Self.numbers[type]), bytes: stored)
        return try GGUFFile(path: folder.write(builder.data(), as: "blocks.gguf")).readFloats("w")
    }

    /// The last row is left out: its scales are below fp16's range, so its codes mean nothing. Of the rest a hundredth may
    /// differ: where the last bit of a sum decides between two codes, compilers that fuse multiply-adds decide otherwise.
    @Test(arguments: [ElementType.q4_0, .q5_0, .q8_0, .q4_K, .q6_K])
    func bytesAreThoseOfLlamaCpp(type: ElementType) throws {
        let values = input.dropLast(256)
        let count = try #require(type.byteCount(of: values.count))
        let expected = try bytes(hex: #require(Self.golden[type.rawValue])).prefix(count)
        let found = type.encode(Array(values))
        #expect(found.count == expected.count)
        let differences = zip(found, expected).count { $0 != $1 }
        #expect(differences <= (type.blockElements == 32 ? 0 : expected.count / 100), "\(differences) bytes differ")
    }

    /// The mean square error of each row stays within a hundredth of that of llama.cpp's blocks.
    @Test(arguments: [ElementType.q4_0, .q5_0, .q8_0, .q4_K, .q6_K])
    func errorIsNoWorseThanLlamaCpps(type: ElementType) throws {
        let values = input
        let ours = try decoded(type.encode(values), type, count: values.count)
        let theirs = try decoded(bytes(hex: #require(Self.golden[type.rawValue])), type, count: values.count)
        for row in stride(from: 0, to: values.count, by: 256) {
            func squareError(_ found: [Float]) -> Float {
                (row..<row + 256).reduce(0) { $0 + (found[$1] - values[$1]) * (found[$1] - values[$1]) }
            }
            #expect(squareError(ours) <= squareError(theirs) * 1.01, "row \(row / 256)")
        }
    }

    @Test(arguments: [(ElementType.q8_0, Float(1) / 254), (.q5_0, 1 / 16), (.q4_0, 1 / 8)])
    func errorIsWithinTheStatedStep(type: ElementType, share: Float) throws {
        let values = input
        let found = try decoded(type.encode(values), type, count: values.count)
        for block in stride(from: 0, to: values.count, by: 32) {
            let largest = values[block..<block + 32].reduce(0) { max($0, abs($1)) }
            // Half a step more for the scale, which is rounded to 11 bits; below fp16's range nothing is promised.
            let bound = largest * share * 1.01 + largest / 2048 + 6e-8 * 128
            for i in block..<block + 32 { #expect(abs(found[i] - values[i]) <= bound, "element \(i)") }
        }
    }

    @Test(arguments: [ElementType.f32, .f16, .bf16])
    func plainTypesRoundOnce(type: ElementType) throws {
        let values = input + [65504, -65504, 0x1p-24]
        let expected =
            switch type {
            case .f16: values.map { Float(Float16($0)) }
            case .bf16: values.map(\.roundedToBFloat16)
            default: values
            }
        #expect(try decoded(type.encode(values), type, count: values.count) == expected)
    }

    @Test(arguments: ElementType.encodable)
    func extremesDoNotTrap(type: ElementType) throws {
        let patterns: [[Float]] = [
            [.greatestFiniteMagnitude, -.greatestFiniteMagnitude], [.leastNonzeroMagnitude, 0],
            [.leastNormalMagnitude, -.leastNormalMagnitude], [-0.0, 0], [3e38, .leastNonzeroMagnitude],
        ]
        for pattern in patterns {
            let values = (0..<256).map { pattern[$0 % pattern.count] }
            #expect(type.encode(values).count == type.byteCount(of: 256))
        }
    }
}
