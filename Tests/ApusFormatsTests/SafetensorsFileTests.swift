import ApusFormats
import ApusTestSupport
import Foundation
import Testing

@Suite struct SafetensorsFileTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func open(_ data: Data) throws -> SafetensorsFile {
        try SafetensorsFile(path: try folder.write(data, as: "test.safetensors"))
    }

    private static let two =
        #"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"#
        + #""b\u0041":{"dtype":"U8","shape":[3,1],"data_offsets":[8,11]}}"#

    @Test func readsTensors() throws {
        let file = try open(safetensors(Self.two, data: [0, 0, 128, 63, 0, 0, 0, 64, 1, 2, 3]))
        #expect(file.metadata == ["format": "pt"])
        #expect(try file.readFloats("a") == [1, 2])
        #expect(try file.readFloats("bA") == [1, 2, 3])
        #expect(file.entries["bA"]?.shape == [3, 1])
    }

    /// Numbers of a type by their bits, and what they are; a byte before them, for files align nothing.
    @Test(
        arguments: [
            (
                "F16", 2, [0x3C01, 0x0001, 0x03FF, 0x7BFF, 0x8000, 0xFC00],
                [1.0009765625, 0x1p-24, 0x3FFp-24, 65504, -0.0, -.infinity]
            ),
            (
                "BF16", 2, [0x3F81, 0x0001, 0x7F7F, 0x8000, 0xFF80],
                [1.0078125, 0x1p-133, 0x1.FEp127, -0.0, -.infinity]
            ),
            (
                "F32", 4, [0x3F80_0001, 1, 0x7F7F_FFFF, 0x8000_0000, 0x7F80_0000],
                [0x1.000002p0, 0x1p-149, 0x1.FFFFFEp127, -0.0, .infinity]
            ),
            (
                "F64", 8, [0x3FF0_0000_1000_0000, 0x3FF0_0000_3000_0000, 0x3FF0_0000_1000_0001],
                [1, 0x1.000004p0, 0x1.000002p0]
            ),
            (
                "F64", 8, [0x47EF_FFFF_EFFF_FFFF, 0x47EF_FFFF_F000_0000, 0x7FEF_FFFF_FFFF_FFFF],
                [0x1.FFFFFEp127, .infinity, .infinity]
            ),
            ("F64", 8, [0x3690_0000_0000_0000, 0x3690_0000_0000_0001, 0x8010_0000_0000_0000], [0, 0x1p-149, -0.0]),
            ("I8", 1, [0xFF, 0x80, 0x7F], [-1, -128, 127]), ("U16", 2, [0xFFFF, 1], [65535, 1]),
            ("I64", 8, [0xFFFF_FFFF_FFFF_FFFF, 0x7FFF_FFFF_FFFF_FFFF], [-1, 0x1p63]), ("U64", 8, [.max], [0x1p64]),
        ] as [(String, Int, [UInt64], [Float])])
    func decodesExactly(type: String, size: Int, bits: [UInt64], expected: [Float]) throws {
        let end = 1 + size * bits.count
        let header =
            #"{"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"#
            + #""a":{"dtype":"\#(type)","shape":[\#(bits.count)],"data_offsets":[1,\#(end)]}}"#
        let data = bits.flatMap { bits in (0..<size).map { UInt8(truncatingIfNeeded: bits >> (8 * $0)) } }
        let values = try open(safetensors(header, data: [7] + data)).readFloats("a")
        #expect(values.map(\.bitPattern) == expected.map(\.bitPattern), "\(values)")
    }

    @Test(arguments: [("F16", 2, 0x7E00), ("BF16", 2, 0x7FC0), ("F32", 4, 0x7FC0_0000), ("F64", 8, 0x7FF8 << 48)])
    func notANumberStaysOne(type: String, size: Int, bits: UInt64) throws {
        let header = #"{"a":{"dtype":"\#(type)","shape":[],"data_offsets":[0,\#(size)]}}"#
        let data = (0..<size).map { UInt8(truncatingIfNeeded: bits >> (8 * $0)) }
        #expect(try open(safetensors(header, data: data)).readFloats("a")[0].isNaN)
    }

    @Test func shapesOfMoreDimensionsThanPyTorchHasAreRefused() throws {
        func header(_ rank: Int) -> Data {
            let shape = [String](repeating: "1", count: rank).joined(separator: ",")
            return safetensors(#"{"a":{"dtype":"U8","shape":[\#(shape)],"data_offsets":[0,1]}}"#, data: [7])
        }
        #expect(try open(header(64)).readFloats("a") == [7])
        expectFormatError(.malformed, containing: "at most 64") { try open(header(65)) }
    }

    @Test("Bad input 4: spaces after the header are allowed, and so are scalars")
    func trailingSpacesAndScalarsAreAllowed() throws {
        let header = #"{"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   "#
        let file = try open(safetensors(header, data: [0, 0, 128, 63]))
        #expect(try file.readFloats("s") == [1])
        #expect(try open(safetensors("{}")).entries.isEmpty)
    }

    @Test("Bad input 8: a file that is cut at any byte is refused")
    func truncationAtEveryByteIsRefused() throws {
        let data = safetensors(Self.two, data: [UInt8](repeating: 0, count: 11))
        for length in 0..<data.count { expectFormatError(.truncated) { try open(data.prefix(length)) } }
    }

    @Test(
        "Promise 1: a file with any damaged byte is read or refused",
        arguments: [0x00, 0x22, 0x39, 0xFF] as [UInt8])
    func anyDamagedByteIsReadOrRefused(value: UInt8) throws {
        let data = safetensors(Self.two, data: [UInt8](repeating: 0, count: 11))
        for position in data.indices {
            var damaged = data
            damaged[position] = value
            guard let file = try? open(damaged) else { continue }
            for name in file.entries.keys { _ = try file.readFloats(name) }
        }
    }

    @Test("Bad inputs 1 and 2: a header that is longer than the file or than 100 MB")
    func headerLengthIsChecked() throws {
        func length(_ value: UInt64) -> Data { withUnsafeBytes(of: value.littleEndian) { Data($0) } + Data("{}".utf8) }
        expectFormatError(.truncated, containing: "claims 3 bytes, 2 are left") { try open(length(3)) }
        expectFormatError(.malformed, containing: "100000000") { try open(length(100_000_001)) }
        expectFormatError(.malformed) { try open(length(.max)) }
        expectFormatError(.malformed) { try open(length(0)) }
    }

    @Test(
        "Bad inputs 4 to 7, 9 and 10: a header that lies is refused with what is wrong",
        arguments: [
            (#" {"a":1}"#, "start with '{'"),
            (#"{"a":1}"#, "wanted '{'"),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},}"#, "wanted"),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} x"#, "after the end"),
            (
                #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
                "twice"
            ),
            (#"{"a":{"dtype":"F32","dtype":"F16","shape":[1],"data_offsets":[0,4]}}"#, "twice"),
            (#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, "non-negative"),
            (#"{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}"#, "non-negative"),
            (#"{"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]}}"#, "2^63"),
            (#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}"#, "2^63"),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,9223372036854775807]}}"#, "2^63"),
            (#"{"a":{"dtype":"F64","shape":[0,2305843009213693952],"data_offsets":[0,0]}}"#, "2^63"),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, "data_offsets"),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}"#, "data_offsets"),
            (#"{"a":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}"#, "F8_E4M3"),
            (#"{"a":{"dtype":"Q4_0","shape":[32],"data_offsets":[0,4]}}"#, "Q4_0"),
            (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, "needs 8 bytes"),
            (
                #"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[3],"data_offsets":[1,4]}}"#,
                "overlaps"
            ),
            (
                #"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}}"#,
                "hole"
            ),
            (#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}}"#, "hole"),
            (#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#, "2 bytes follow"),
            (#"{"__metadata__":{"x":1}}"#, "wanted '\"'"),
            (#"{"__metadata__":{"x":"1","x":"2"}}"#, "twice"),
        ])
    func lyingHeadersAreRefused(header: String, complaint: String) throws {
        expectFormatError(.malformed, containing: complaint) { try open(safetensors(header, data: [0, 0, 0, 0])) }
    }

    @Test("Bad input 8: tensors beyond the end name the bytes that are missing")
    func tensorsBeyondTheEndAreRefused() throws {
        let header = #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#
        let error = expectFormatError(.truncated) { try open(safetensors(header, data: [0, 0, 0, 0])) }
        #expect(error?.message.contains("\(8 + header.utf8.count + 8) bytes") == true)
    }

    @Test("Bad input 3: a header that is not UTF-8")
    func invalidTextIsRefused() throws {
        var data = safetensors(#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#, data: [0])
        data[10] = 0xFF
        expectFormatError(.malformed, containing: "UTF-8") { try open(data) }
    }

    @Test func namesOfMegabytesMakeNoLongMessages() throws {
        let name = String(repeating: "n", count: 1 << 20)
        let header = #"{"\#(name)":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#
        let error = expectFormatError(.truncated) { try open(safetensors(header)) }
        #expect(error?.message.hasSuffix("copy the file again") == true)
        let wrong = #"{"\#(name)":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}}"#
        let other = expectFormatError(.malformed, containing: "nnn") { try open(safetensors(wrong)) }
        #expect((other?.message.count ?? .max) < 2000 && other?.message.hasSuffix("the file is damaged") == true)
    }

    @Test func deepNestingIsRefused() throws {
        let nested = String(repeating: "[", count: 100_000)
        expectFormatError(.malformed, containing: "nested") { try open(safetensors(#"{"a":{"x":\#(nested)"#)) }
    }

    @Test func foldersAndMissingFilesAreRefused() {
        expectFormatError(.unreadable, containing: "regular file") { try SafetensorsFile(path: folder.url.path()) }
        expectFormatError(.unreadable, containing: "cannot be opened") { try SafetensorsFile(path: "/nonexistent/x") }
    }
}
