import ApusFormats
import ApusTestSupport
import Foundation
import Testing

/// Models in several GGUF files.
@Suite struct GGUFPartsTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private static func name(_ number: Int) -> String { "tiny-0000\(number)-of-00003.gguf" }

    @Test("Parts that gguf-py wrote are one model")
    func readsAllParts() throws {
        let model = try GGUFFile(path: Fixture.url("gguf_split/" + Self.name(1)).path())
        #expect(model.metadata["general.architecture"]?.string == "llama")
        #expect(model.entries.count == 5 && model.files.map(\.path).allSatisfy { $0.hasSuffix("-of-00003.gguf") })
        #expect(model.files.map(\.count) == [352, 288, 192])
        for number in 0..<5 {
            let expected = (0..<6).map { Float($0 + 10 * number) }
            #expect(try model.readFloats("tensor\(number)") == expected)
            model.discardPages(of: "tensor\(number)")
            #expect(try model.readBytes("tensor\(number)").count == 24)
        }
        expectFormatError(.missing, containing: "'tensor5'") { try model.readFloats("tensor5") }
    }

    @Test("A later part names the first", arguments: [2, 3])
    func laterPartIsRefused(number: Int) {
        let path = Fixture.url("gguf_split/" + Self.name(number)).path()
        expectFormatError(.unsupported, containing: "part \(number) of 3 of a model; give the first, '") {
            try GGUFFile(path: path)
        }
        expectFormatError(.unsupported, containing: Self.name(1)) { try GGUFFile(path: path) }
    }

    /// Writes two parts with a tensor each, the second through `change`, and opens the first.
    private func open(
        _ split: [(String, GGUFBuilder.Value)] = numbers(0), as first: String = "m-00001-of-00002.gguf",
        second: String? = "m-00002-of-00002.gguf", _ change: (inout GGUFBuilder) -> Void = { _ in }
    ) throws -> GGUFFile {
        var builder = GGUFBuilder()
        builder.pairs = split
        builder.append("a", shape: [1], type: 0, bytes: [0, 0, 128, 63])
        let path = try folder.write(builder.data(), as: first)
        builder.pairs = Self.numbers(1)
        builder.tensors[0].name = "b"
        change(&builder)
        if let second { _ = try folder.write(builder.data(), as: second) }
        return try GGUFFile(path: path)
    }

    private static func numbers(_ number: UInt32, of count: UInt32 = 2, tensors: UInt32 = 2) -> [(
        String, GGUFBuilder.Value
    )] {
        [
            ("split.no", .uint32(number)), ("split.count", .uint32(count)), ("split.tensors.count", .uint32(tensors)),
        ]
    }

    @Test func twoPartsAreOneModel() throws {
        let model = try open()
        #expect(try model.readFloats("a") == [1] && model.readFloats("b") == [1])
    }

    @Test("A model in one part, or joined again, may have any name", arguments: [0, 1] as [UInt32])
    func joinedModelsAreRead(count: UInt32) throws {
        #expect(try open(Self.numbers(0, of: count, tensors: 1), as: "joined.gguf").entries.count == 1)
    }

    @Test("Bad input 12: a part that is missing, of another model or cut is refused with its name")
    func partsThatDoNotBelongTogether() throws {
        expectFormatError(.missing, containing: "part 2 of 2, '\(folder.url.path())/m-00002-of-00002.gguf'") {
            try open(second: nil)
        }
        expectFormatError(.mismatch, containing: "m-00002-of-00002.gguf: wanted split.no of 1, found 0") {
            try open { $0.pairs = Self.numbers(0) }
        }
        expectFormatError(.mismatch, containing: "wanted split.count of 2, found 3") {
            try open { $0.pairs = Self.numbers(1, of: 3) }
        }
        expectFormatError(.mismatch, containing: "wanted split.no of 1, found none") { try open { $0.pairs = [] } }
        expectFormatError(.malformed, containing: "'a' is in an earlier part too") {
            try open { $0.tensors[0].name = "a" }
        }
        expectFormatError(.mismatch, containing: "is 3, the 2 parts hold 2 tensors") {
            try open(Self.numbers(0, tensors: 3))
        }
        expectFormatError(.mismatch, containing: "is 2, the 2 parts hold 3 tensors") {
            try open { $0.append("c", shape: [1], type: 0, bytes: [0, 0, 0, 0]) }
        }
        expectFormatError(.truncated, containing: "m-00002-of-00002.gguf") { try open { $0.tensors[0].bytes = [] } }
    }

    @Test("A first part without its numbers, or with another name, is refused")
    func firstPartsThatLie() throws {
        expectFormatError(.malformed, containing: "found none and 2") {
            try open(Array(Self.numbers(0).dropFirst()))
        }
        expectFormatError(.malformed, containing: "found 2 and 2") { try open(Self.numbers(2)) }
        expectFormatError(.malformed, containing: "found 0 and none") { try open(Array(Self.numbers(0).dropLast())) }
        expectFormatError(.malformed, containing: "wanted 0 to 65535") { try open(Self.numbers(0, of: 65_536)) }
        expectFormatError(.malformed, containing: "wanted 0 to 65535") { try open([("split.count", .string("2"))]) }
        expectFormatError(.unsupported, containing: "ends in '-00001-of-00002.gguf'") { try open(as: "model.gguf") }
        expectFormatError(.unsupported, containing: "give the first, '-00001-of-00002.gguf'") {
            try open(Self.numbers(1), as: "model.gguf")
        }
    }
}
