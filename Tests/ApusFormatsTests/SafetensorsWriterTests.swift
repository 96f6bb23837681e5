import ApusFormats
import ApusTestSupport
import Foundation
import Testing

@Suite struct SafetensorsWriterTests {
    /// Files of PEFT and transformers, rewritten from what was read out of them.
    @Test(arguments: [
        "tiny_llama/adapter_model.safetensors", "tiny_qwen2/model.safetensors", "bnb_tiny_llama/model.safetensors",
    ])
    func rewritesFilesByteForByte(path: String) throws {
        let file = try SafetensorsFile(path: Fixture.url(path).path())
        var writer = SafetensorsWriter(metadata: file.metadata)
        for entry in file.entries.values {
            let elements: SafetensorsWriter.Elements =
                switch entry.type {
                case .f32: .f32(try file.readFloats(entry.name))
                case .bf16: .bf16(try file.readFloats(entry.name))
                case .u8: .u8(try file.readBytes(entry.name))
                default: .raw(entry.type, try file.readBytes(entry.name))
                }
            writer.append(entry.name, shape: entry.shape, elements)
        }
        #expect(try writer.data() == Fixture.data(path))
    }

    @Test func roundTrips() throws {
        let folder = try TemporaryFolder()
        let url = folder.url.appending(path: "out.safetensors")
        var writer = SafetensorsWriter(metadata: ["note": "line\n\"quoted\" \\ é"])
        writer.append("z", shape: [2, 2], .f32([1, -0.0, .infinity, 0x1p-149]))
        writer.append("a\"b", shape: [3], .bf16([1.00390625, -1.01171875, .nan]))
        writer.append("empty", shape: [0, 7], .u8([]))
        try writer.write(to: url)
        let file = try SafetensorsFile(path: url.path())
        #expect(file.metadata == writer.metadata)
        #expect(
            try file.readFloats("z").map(\.bitPattern) == [1, -0.0, .infinity, 0x1p-149].map { Float($0).bitPattern })
        // Both are halfway between two bfloat16s and go to the even one.
        #expect(try Array(file.readFloats("a\"b").prefix(2)) == [1, -1.015625])
        #expect(try file.readFloats("a\"b")[2].isNaN)
        #expect(file.entries["empty"]?.shape == [0, 7])
        #expect(try Data(contentsOf: url).count % 8 == 6)
    }

    @Test func unwritableFolderIsReported() {
        let url = URL(filePath: "/nonexistent/folder/out.safetensors")
        expectFormatError(.unwritable) { try SafetensorsWriter().write(to: url) }
    }
}
