import ApusFormats
import ApusTestSupport
import Foundation
import Testing

/// Files written piece by piece, read back by the readers.
@Suite struct TensorStreamTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func path(_ name: String) -> String { folder.url.appending(path: name).path }

    private let values = (0..<96).map { Float($0) / 7 - 5 }

    private func fill(_ tensor: TensorLayout, _ append: ([UInt8]) throws -> Void) throws {
        let all = tensor.type.encode(Array(values.prefix(tensor.shape.reduce(1, *))))
        try append(Array(all.prefix(all.count / 2)))
        try append(Array(all.dropFirst(all.count / 2)))
    }

    @Test func aGGUFFileReadsBack() throws {
        var writer = GGUFWriter()
        let pairs: [(String, GGUFWriter.Value, GGUFValue)] = [
            ("a.count", .uint32(7), .integer(7)), ("a.number", .float32(0.5), .floating(0.5)),
            ("a.flag", .bool(true), .boolean(true)), ("a.text", .string("Ġé\n"), .text("Ġé\n")),
            ("a.texts", .strings(["x", ""]), .textArray(["x", ""])),
            ("a.ids", .int32s([-1, 5]), .integerArray([-1, 5])),
        ]
        for (key, value, _) in pairs { writer.set(key, value) }
        writer.tensors = [
            TensorLayout(name: "odd", shape: [5], type: .f16), TensorLayout(name: "w", shape: [2, 32], type: .q8_0),
            TensorLayout(name: "last", shape: [3, 32], type: .bf16),
        ]
        try writer.write(to: path("m.gguf"), fill)
        let file = try GGUFFile(path: path("m.gguf"))
        for (key, _, expected) in pairs { #expect(file.metadata[key] == expected) }
        #expect(file.entries["w"]?.shape == [2, 32])
        #expect(try file.readFloats("last") == values.map(\.roundedToBFloat16))
        #expect(try file.readFloats("odd") == values.prefix(5).map { Float(Float16($0)) })
        let size = try FileManager.default.attributesOfItem(atPath: path("m.gguf"))[.size] as? Int
        #expect(size == writer.fileSize)
    }

    @Test func aSafetensorsFileReadsBack() throws {
        let stream = SafetensorsStream(tensors: [
            TensorLayout(name: "b", shape: [3, 32], type: .bf16), TensorLayout(name: "a", shape: [2, 2], type: .f32),
        ])
        try stream.write(to: path("m.safetensors"), fill)
        let file = try SafetensorsFile(path: path("m.safetensors"))
        #expect(file.metadata == ["format": "pt"])
        #expect(try file.readFloats("b") == values.map(\.roundedToBFloat16))
        #expect(try file.readFloats("a") == Array(values.prefix(4)))
    }

    @Test("Bad input 34: a write that fails leaves the old file and no draft")
    func aFailureLeavesTheOldFile() throws {
        struct DiskFull: Error {}
        _ = try folder.write(Data("old".utf8), as: "m.safetensors")
        let stream = SafetensorsStream(tensors: [TensorLayout(name: "a", shape: [2, 2], type: .f32)])
        #expect(throws: DiskFull.self) {
            try stream.write(to: path("m.safetensors")) { _, append in
                try append([1, 2, 3])
                throw DiskFull()
            }
        }
        #expect(try Data(contentsOf: folder.url.appending(path: "m.safetensors")) == Data("old".utf8))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["m.safetensors"])
    }

    @Test("Bad input 43: a model file that is mapped is replaced, not overwritten")
    func aMappedFileKeepsItsBytes() throws {
        let stream = SafetensorsStream(tensors: [TensorLayout(name: "a", shape: [2, 2], type: .f32)])
        try stream.write(to: path("m.safetensors"), fill)
        let mapped = try SafetensorsFile(path: path("m.safetensors"))
        try stream.write(to: path("m.safetensors")) { _, append in try append([UInt8](repeating: 0, count: 16)) }
        #expect(try mapped.readFloats("a") == Array(values.prefix(4)))
        #expect(try SafetensorsFile(path: path("m.safetensors")).readFloats("a") == [0, 0, 0, 0])
    }

    @Test func anUnwritablePlaceIsNamed() {
        expectFormatError(.unwritable) { _ = try AtomicFile(path: "/nonexistent/folder/m.gguf") }
    }
}
