import ApusFormats
import ApusTestSupport
import Foundation
import Testing

/// Promise 1: no file can crash the process or hold it up. What is read is small, and so is the time.
@Suite struct RobustnessTests {
    /// A kind of file that is damaged.
    enum Kind: String, CaseIterable {
        case safetensors = "types.safetensors"
        case bitsAndBytes = "packed.safetensors"
        case gguf = "types.gguf"
        case ggufPart = "tiny-00002-of-00003.gguf"
        case index = "model.safetensors.index.json"
        case adapter = "adapter_config.json"
    }

    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test("Bad inputs 8 and 14, promise 1: a file that is cut at any byte is refused", arguments: Kind.allCases)
    func cutFilesAreRefused(kind: Kind) throws {
        let file = try DamagedFile(content(of: kind), as: kind.rawValue, in: folder)
        try read(kind, file.path)
        let outcome = try file.cutAnywhere { try read(kind, $0) }
        #expect(outcome.readCount == 0 && outcome.refusedCount > 50 && outcome.slowest < .seconds(1), "\(outcome)")
    }

    @Test("Promise 1: a file of which bytes are changed is read or refused", arguments: Kind.allCases)
    func changedFilesAreReadOrRefused(kind: Kind) throws {
        let file = try DamagedFile(content(of: kind), as: kind.rawValue, in: folder)
        try read(kind, file.path)
        let outcome = try file.flipBytes(times: 15_000) { try read(kind, $0) }
        #expect(outcome.readCount > 0 && outcome.refusedCount > 1000 && outcome.slowest < .seconds(1), "\(outcome)")
    }

    private func read(_ kind: Kind, _ path: String) throws {
        switch kind {
        case .safetensors, .bitsAndBytes: try SafetensorsFile(path: path).readAll()
        case .gguf: try GGUFFile(path: path).readAll()
        case .ggufPart: try GGUFFile(path: part(1)).readAll()
        case .index: try ShardedSafetensors(directory: folder.url.path()).readAll()
        case .adapter: _ = try LoRAConfigurationFile(path: path)
        }
    }

    /// The whole file; others that it needs are put beside it.
    private func content(of kind: Kind) throws -> Data {
        switch kind {
        case .safetensors: return Self.everySafetensorsType
        case .bitsAndBytes:
            let source = try SafetensorsFile(path: Fixture.url("bnb_states.safetensors").path())
            return try SafetensorsWriter(tensors: Array(TensorParts(source, of: "float16.").tensors.values)).data()
        case .gguf: return Self.everyBlockType
        case .ggufPart:
            for number in 1...3 {
                let name = "tiny-0000\(number)-of-00003.gguf"
                _ = try folder.write(Fixture.data("gguf_split/" + name), as: name)
            }
            // Without what pads the last tensor: a file may end before it.
            return try Fixture.data("gguf_split/" + kind.rawValue).dropLast(8)
        case .index:
            var writer = SafetensorsWriter()
            writer.append("a", shape: [2], .f32([1, 5]))
            writer.append("b", shape: [1], .f32([7]))
            try writer.write(to: folder.url.appending(path: "m-1.safetensors"))
            return Data(
                #"{"metadata":{"total_size":12},"weight_map":{"a":"m-1.safetensors","b":"m-1.safetensors"}}"#.utf8)
        case .adapter: return try Fixture.data("tiny_llama/adapter_config.json")
        }
    }

    private func part(_ number: Int) -> String {
        folder.url.appending(path: "tiny-0000\(number)-of-00003.gguf").path(percentEncoded: false)
    }

    private static var everySafetensorsType: Data {
        let types = ElementType.allCases.filter { $0.blockElements == 1 }
        return SafetensorsWriter(
            tensors: types.map { type in
                let bytes = (0..<3 * type.blockBytes).map { UInt8(truncatingIfNeeded: 37 * $0) }
                return SafetensorsWriter.Tensor(name: type.rawValue, shape: [3, 1], elements: .raw(type, bytes))
            }
        ).data()
    }

    /// A tensor of each of ggml's types, one block each, and metadata of every kind.
    private static var everyBlockType: Data {
        var builder = GGUFBuilder()
        builder.pairs = [
            ("a.text", .string("llama")), ("a.count", .uint32(7)), ("a.scale", .float32(0.5)), ("a.flag", .bool(true)),
            ("a.tokens", .strings(["a", "é", ""])), ("a.types", .int32s([1, -2])), ("a.bytes", .raw(9, array(0, 2))),
            ("a.shorts", .raw(9, array(3, 4))), ("a.wide", .raw(9, array(10, 16))), ("a.flags", .raw(9, array(7, 2))),
            ("a.doubles", .raw(9, array(12, 16))), ("a.byte", .raw(0, [200])),
            ("a.long", .raw(11, [UInt8](repeating: 1, count: 8))),
        ]
        let numbers: [(UInt32, ElementType)] = [
            (0, .f32), (1, .f16), (2, .q4_0), (3, .q4_1), (6, .q5_0), (7, .q5_1), (8, .q8_0), (10, .q2_K),
            (11, .q3_K), (12, .q4_K), (13, .q5_K), (14, .q6_K), (20, .iq4_NL), (23, .iq4_XS), (24, .i8), (25, .i16),
            (26, .i32), (27, .i64), (28, .f64), (30, .bf16),
        ]
        for (number, type) in numbers {
            let bytes = (0..<type.blockBytes).map { UInt8(truncatingIfNeeded: 41 * $0) }
            builder.append(type.rawValue, shape: [1, type.blockElements], type: number, bytes: bytes)
        }
        return builder.data()
    }

    /// Element type, count and zeros: two elements.
    private static func array(_ type: UInt8, _ size: Int) -> [UInt8] {
        [type, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 0, count: size)
    }
}
