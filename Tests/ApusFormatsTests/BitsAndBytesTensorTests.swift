import ApusFormats
import ApusTestSupport
import Foundation
import Testing

/// A Llama that transformers quantised with bitsandbytes and saved.
@Suite struct BitsAndBytesTensorTests {
    private static let name = "model.layers.1.mlp.down_proj.weight"

    private func model() throws -> SafetensorsFile {
        try SafetensorsFile(path: Fixture.url("bnb_tiny_llama/model.safetensors").path())
    }

    @Test(arguments: ["model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj"])
    func dequantisesAsBitsAndBytes(module: String) throws {
        let golden = try SafetensorsFile(path: Fixture.url("bnb_tiny_llama/golden.safetensors").path())
        let expected = try golden.readFloats("dequant.\(module)")
        let tensor = try BitsAndBytesTensor("\(module).weight", in: model())
        #expect(tensor.shape == golden.entries["dequant.\(module)"]?.shape)
        #expect(tensor.type == .bf16 && tensor.blockSize == 64)
        #expect(read(tensor, rows: 0..<tensor.shape[0]) == expected)
        #expect(read(tensor, rows: 5..<7) == Array(expected[5 * tensor.shape[1]..<7 * tensor.shape[1]]))
    }

    private func read(_ tensor: BitsAndBytesTensor, rows: Range<Int>) -> [Float] {
        let size = rows.count * tensor.shape[1]
        return [Float](unsafeUninitializedCapacity: size) { buffer, count in
            tensor.read(rows: rows, into: UnsafeMutableBufferPointer(rebasing: buffer[..<size]))
            count = size
        }
    }

    @Test func plainTensorsAreNotQuantised() throws {
        let source = try model()
        #expect(BitsAndBytesTensor.isQuantized(Self.name, in: source))
        #expect(!BitsAndBytesTensor.isQuantized("lm_head.weight", in: source))
        expectFormatError(.unsupported) { try BitsAndBytesTensor("lm_head.weight", in: source) }
    }

    /// The same file with one part of one weight replaced or, with nil, left out.
    private func damaged(_ part: String, _ replacement: SafetensorsWriter.Tensor?) throws -> TestSource {
        let source = try model()
        let folder = try TemporaryFolder()
        var writer = SafetensorsWriter()
        for entry in source.entries.values where entry.name.hasPrefix(Self.name) && entry.name != Self.name + part {
            writer.append(entry.name, shape: entry.shape, .raw(entry.type, try source.readBytes(entry.name)))
        }
        if let replacement { writer.tensors.append(replacement) }
        let url = folder.url.appending(path: "damaged.safetensors")
        try writer.write(to: url)
        return TestSource(file: try SafetensorsFile(path: url.path()), folder: folder)
    }

    struct TestSource {
        var file: SafetensorsFile
        var folder: TemporaryFolder
    }

    @Test(arguments: [
        "", ".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map", ".quant_state.bitsandbytes__nf4",
    ])
    func everyPartIsNeeded(part: String) throws {
        let source = try damaged(part, nil)
        expectFormatError { try BitsAndBytesTensor(Self.name, in: source.file) }
        let short = SafetensorsWriter.Tensor(name: Self.name + part, shape: [1], elements: .u8([7]))
        let other = try damaged(part, short)
        expectFormatError { try BitsAndBytesTensor(Self.name, in: other.file) }
    }

    @Test("Scales that are not finite and another table are seen when the weight is opened")
    func numbersThatCannotBe() throws {
        let source = try model()
        for (part, position, value, message) in [
            (".nested_absmax", 0, Float.nan, "NaN or infinite"), (".nested_absmax", 0, -.infinity, "NaN or infinite"),
            (".quant_map", 3, -0.4, "wanted NF4's table"), (".quant_map", 15, .nan, "wanted NF4's table"),
        ] {
            var values = try source.readFloats(Self.name + part)
            values[position] = value
            let tensor = SafetensorsWriter.Tensor(
                name: Self.name + part, shape: [values.count], elements: .f32(values))
            let other = try damaged(part, tensor)
            #expect { try BitsAndBytesTensor(Self.name, in: other.file) } throws: { "\($0)".contains(message) }
        }
    }

    @Test(arguments: [
        #"{"quant_type": "fp4", "blocksize": 64, "dtype": "bfloat16", "shape": [64, 128]}"#,
        #"{"quant_type": "nf4", "blocksize": 0, "dtype": "bfloat16", "shape": [64, 128]}"#,
        #"{"quant_type": "nf4", "blocksize": 64, "dtype": "int8", "shape": [64, 128]}"#,
        #"{"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [4294967296, 4294967296]}"#,
        #"{"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [-64, -128]}"#,
        #"{"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [64, 129]}"#,
        #"{"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [9223372036854775807]}"#,
        #"{"quant_type": "nf4", "blocksize": 9223372036854775806, "dtype": "bfloat16", "shape": [64, 128]}"#,
        #"{"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [64, 128], "#
            + #""nested_blocksize": 9223372036854775807}"#,
        #"{"quant_type": "nf4"}"#,
    ])
    func lyingStatesAreRefused(json: String) throws {
        let part = ".quant_state.bitsandbytes__nf4"
        let state = SafetensorsWriter.Tensor(
            name: Self.name + part, shape: [json.utf8.count], elements: .u8([UInt8](json.utf8))
        )
        let source = try damaged(part, state)
        expectFormatError { try BitsAndBytesTensor(Self.name, in: source.file) }
    }
}
