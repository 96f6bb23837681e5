import ApusFormats
import ApusTestSupport
import Foundation
import Testing

/// Every block type against the decoding of gguf-py.
@Suite struct GGUFBlockTests {
    struct Blocks: Decodable, Sendable {
        var type_id: UInt32
        var hex: String?
        var dequant_f32: [Float]?
        var quantize_input_f32: [Float]?
        var quantize_hex: String?
    }

    static let golden: [String: Blocks] = (try? Fixture.json("gguf_blocks.json")) ?? [:]
    /// Eight blocks of each rarer type, with scales from subnormal to large.
    static let rare: [String: Blocks] = (try? Fixture.json("gguf_rare_blocks.json")) ?? [:]

    private func file(_ blocks: [UInt8], type: UInt32, shape: [Int], in folder: TemporaryFolder) throws -> GGUFFile {
        var builder = GGUFBuilder()
        builder.append("w", shape: shape, type: type, bytes: blocks)
        return try GGUFFile(path: try folder.write(builder.data(), as: "blocks.gguf"))
    }

    @Test func goldenIsThere() { #expect(Self.golden.count == 12 && Self.rare.count == 4) }

    @Test(arguments: golden.keys.sorted())
    func decodes(_ name: String) throws { try decodes(name, #require(Self.golden[name])) }

    @Test(arguments: rare.keys.sorted())
    func decodesRare(_ name: String) throws { try decodes(name, #require(Self.rare[name])) }

    private func decodes(_ name: String, _ golden: Blocks) throws {
        let hex = try #require(golden.hex ?? golden.quantize_hex)
        // The plain 16-bit types come with what was rounded, which the file's values must be next to.
        guard let expected = golden.dequant_f32 else { return try decodesPlain(golden, hex) }
        let folder = try TemporaryFolder()
        let source = try file(bytes(hex: hex), type: golden.type_id, shape: [2, expected.count / 2], in: folder)
        #expect(source.entries["w"]?.type.rawValue == name)
        #expect(try source.readFloats("w").map(\.bitPattern) == expected.map(\.bitPattern))
        let second = try [Float](unsafeUninitializedCapacity: expected.count / 2) { buffer, count in
            let target = UnsafeMutableBufferPointer(rebasing: buffer[..<(expected.count / 2)])
            try source.read("w", rows: 1..<2, into: target)
            count = expected.count / 2
        }
        #expect(second == Array(expected[(expected.count / 2)...]))
    }

    private func decodesPlain(_ golden: Blocks, _ hex: String) throws {
        let input = try #require(golden.quantize_input_f32)
        let folder = try TemporaryFolder()
        let source = try file(bytes(hex: hex), type: golden.type_id, shape: [input.count], in: folder)
        let expected =
            golden.type_id == 30 ? input.map(\.roundedToBFloat16) : input.map { Float(Float16($0)) }
        #expect(try source.readFloats("w") == expected)
    }

    @Test func decodesEveryHalf() throws {
        let bits = (0...UInt16.max).map { $0 }
        let folder = try TemporaryFolder()
        let stored = bits.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
        let values = try file(stored, type: 1, shape: [bits.count], in: folder).readFloats("w")
        for (bits, value) in zip(bits, values) {
            let expected = Float(Float16(bitPattern: bits))
            #expect(value.bitPattern == expected.bitPattern || (value.isNaN && expected.isNaN), "\(bits)")
        }
    }
}
