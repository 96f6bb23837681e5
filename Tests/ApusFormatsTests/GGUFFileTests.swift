import ApusFormats
import ApusTestSupport
import Foundation
import Testing

@Suite struct GGUFFileTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func open(_ builder: GGUFBuilder) throws -> GGUFFile {
        try GGUFFile(path: try folder.write(builder.data(), as: "test.gguf"))
    }

    private static var small: GGUFBuilder {
        var builder = GGUFBuilder()
        builder.pairs = [
            ("general.architecture", .string("llama")), ("a.count", .uint32(7)), ("a.scale", .float32(0.5)),
            ("a.flag", .bool(true)), ("a.tokens", .strings(["a", "é", ""])), ("a.types", .int32s([1, -2])),
        ]
        builder.append("first", shape: [2, 3], type: 0, bytes: (0..<24).map { UInt8($0) })
        builder.append("second", shape: [32], type: 2, bytes: [UInt8](repeating: 0x11, count: 18))
        return builder
    }

    @Test(arguments: [2, 3] as [UInt32])
    func readsMetadataAndShapes(version: UInt32) throws {
        var builder = Self.small
        builder.version = version
        let file = try open(builder)
        #expect(file.metadata["general.architecture"]?.string == "llama")
        #expect(file.metadata["a.count"]?.int == 7)
        #expect(file.metadata["a.scale"]?.float == 0.5)
        #expect(file.metadata["a.flag"]?.bool == true)
        #expect(file.metadata["a.tokens"]?.strings == ["a", "é", ""])
        #expect(file.metadata["a.types"]?.ints == [1, -2])
        #expect(file.metadata["a.types"]?.string == nil)
        #expect(file.entries["first"]?.shape == [2, 3])
        #expect(file.entries["second"]?.byteRange.count == 18)
        #expect(try file.readBytes("first") == (0..<24).map { UInt8($0) })
        file.discardPages(of: "first")
        #expect(try file.readBytes("first").first == 0)
        expectFormatError(.missing, containing: "'third'") { try file.readFloats("third") }
    }

    @Test("Bad input 14: a GGUF file that is cut at any byte is refused")
    func truncationAtEveryByteIsRefused() throws {
        let data = Self.small.data()
        for length in 0..<data.count {
            expectFormatError { try GGUFFile(path: try folder.write(data.prefix(length), as: "cut.gguf")) }
        }
    }

    @Test(
        "Bad input 14: a GGUF file with any damaged byte is read or refused",
        arguments: [0x00, 0x7F, 0xFF] as [UInt8])
    func anyDamagedByteIsReadOrRefused(value: UInt8) throws {
        let data = Self.small.data()
        for position in data.indices {
            var damaged = data
            damaged[position] = value
            guard let file = try? GGUFFile(path: try folder.write(damaged, as: "damaged.gguf")) else { continue }
            for name in file.entries.keys { _ = try file.readFloats(name) }
        }
    }

    @Test("Bad input 14: wrong magic, version and byte order")
    func wrongMagicAndVersionsAreRefused() throws {
        var builder = Self.small
        builder.magic = "GGML"
        expectFormatError(.malformed, containing: "GGUF") { try open(builder) }
        builder = Self.small
        builder.version = 1
        expectFormatError(.unsupported, containing: "version 1") { try open(builder) }
        builder.version = 3 << 24
        expectFormatError(.unsupported, containing: "big-endian") { try open(builder) }
    }

    @Test(
        "Bad input 15: counts and lengths up to 2^64 are refused before anything is allocated",
        arguments: [UInt64.max, 1 << 63, 1 << 40])
    func hugeCountsAreRefusedBeforeAllocation(count: UInt64) throws {
        var builder = Self.small
        builder.tensorCount = count
        expectFormatError(.truncated) { try open(builder) }
        builder = Self.small
        builder.pairCount = count
        expectFormatError(.truncated) { try open(builder) }
        let length = withUnsafeBytes(of: count.littleEndian) { [UInt8]($0) }
        builder = Self.small
        builder.pairs.append(("long", .raw(8, length)))
        expectFormatError(.truncated, containing: "long") { try open(builder) }
        builder.pairs[builder.pairs.count - 1] = ("many", .raw(9, [5, 0, 0, 0] + length))
        expectFormatError(.truncated, containing: "many") { try open(builder) }
    }

    @Test("Bad input 15: a count of more elements than have room is refused before anything is allocated")
    func countsAreMeasuredByTheSizeOfElements() throws {
        // As many bytes follow as elements are claimed, of eight bytes each.
        for type in [8, 10, 11, 12] as [UInt8] {
            var builder = Self.small
            let head: [UInt8] = [type, 0, 0, 0, 100, 0, 0, 0, 0, 0, 0, 0]
            builder.pairs.append(("many", .raw(9, head + [UInt8](repeating: 0, count: 100))))
            expectFormatError(.truncated, containing: "claims 'many' of 100") { try open(builder) }
        }
    }

    @Test(arguments: [(16, "IQ2_XXS"), (18, "IQ3_XXS"), (99, "number 99")] as [(UInt32, String)])
    func undecodableTypesAreNamed(id: UInt32, name: String) throws {
        var builder = Self.small
        builder.append("third", shape: [256], type: id, bytes: [])
        expectFormatError(.unsupported, containing: name) { try open(builder) }
    }

    @Test("Bad input 14: tensors twice, of odd sizes, and outside the file")
    func badTensorsAreRefused() throws {
        var builder = Self.small
        builder.append("first", shape: [1], type: 0, bytes: [0, 0, 0, 0])
        expectFormatError(.malformed, containing: "twice") { try open(builder) }
        builder = Self.small
        builder.append("odd", shape: [33], type: 2, bytes: [UInt8](repeating: 0, count: 36))
        expectFormatError(.malformed, containing: "multiple of 32") { try open(builder) }
        builder = Self.small
        builder.tensors[0].dimensions = [1 << 32, 1 << 31]
        expectFormatError(.malformed, containing: "2^63") { try open(builder) }
        builder.tensors[0].dimensions = [0, UInt64.max]
        expectFormatError(.malformed, containing: "2^63") { try open(builder) }
        // No elements, but a row of them would have more bytes than can be counted.
        builder.tensors[0].dimensions = [1 << 61, 0]
        builder.tensors[0].type = 28
        builder.tensors[0].bytes = []
        expectFormatError(.malformed, containing: "2^63") { try open(builder) }
        builder.tensors[0].dimensions = [1, 1, 1, 1, 1]
        expectFormatError(.malformed, containing: "5 dimensions") { try open(builder) }
        builder = Self.small
        builder.tensors[1].offset = 0
        expectFormatError(.malformed, containing: "offset 0") { try open(builder) }
        builder.tensors[1].offset = UInt64.max
        expectFormatError(.malformed, containing: "'second'") { try open(builder) }
    }

    @Test(
        "Bad input 14: an alignment that is none",
        arguments: [0, 3, 1 << 30] as [UInt32])
    func badAlignmentIsRefused(alignment: UInt32) throws {
        var builder = Self.small
        builder.pairs.append(("general.alignment", .uint32(alignment)))
        expectFormatError(.malformed, containing: "general.alignment") { try open(builder) }
    }

    @Test("Bad input 14: metadata twice, nested, and of unknown types")
    func badMetadataIsRefused() throws {
        var builder = Self.small
        builder.pairs.append(("a.count", .uint32(8)))
        expectFormatError(.malformed, containing: "twice") { try open(builder) }
        builder = Self.small
        builder.pairs.append(("nested", .raw(9, [9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])))
        expectFormatError(.unsupported, containing: "array of arrays") { try open(builder) }
        builder.pairs[builder.pairs.count - 1] = ("odd", .raw(13, []))
        expectFormatError(.unsupported, containing: "value type 13") { try open(builder) }
        builder.pairs[builder.pairs.count - 1] = ("odd", .raw(7, [2]))
        expectFormatError(.malformed, containing: "truth value") { try open(builder) }
        builder.pairs[builder.pairs.count - 1] = ("odd", .raw(8, [1, 0, 0, 0, 0, 0, 0, 0, 0xFF]))
        expectFormatError(.malformed, containing: "UTF-8") { try open(builder) }
    }

    @Test("Promise 1: an array takes at most twice its room in the file")
    func everyIntegerArrayIsRead() throws {
        let types: [(UInt8, Int, [Int])] = [
            (0, 1, [255, 1]), (2, 2, [65_535, 1]), (3, 2, [-1, 1]), (4, 4, [4_294_967_295, 1]), (5, 4, [-1, 1]),
            (11, 8, [-1, 1]),
        ]
        for (type, size, expected) in types {
            let first = [UInt8](repeating: 0xFF, count: size)
            let second = [1] + [UInt8](repeating: 0, count: size - 1)
            var builder = Self.small
            builder.pairs.append(("a.array", .raw(9, [type, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0] + first + second)))
            let value = try #require(try open(builder).metadata["a.array"])
            #expect(value.ints == expected)
            if case .shortArray(let values) = value { #expect(size == 2 && values.count == 2) }
            if case .integerArray = value { #expect(size >= 4) }
        }
    }

    @Test func alignmentOfTheFileIsUsed() throws {
        var builder = Self.small
        builder.alignment = 64
        builder.pairs.append(("general.alignment", .uint32(64)))
        let file = try open(builder)
        #expect(file.entries.values.allSatisfy { $0.byteRange.lowerBound % 64 == 0 })
    }
}
