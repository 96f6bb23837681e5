import ApusExport
import ApusFormats
import ApusModel
import ApusTestSupport
import Foundation
import Testing

@testable import struct ApusExport.ExportedModel

/// Merged folders, read back.
@Suite struct MergedExportTests {
    private let model: SmallModel

    init() throws { model = try SmallModel() }

    @Test(arguments: [ExportedModel.SixteenBits.bfloat16, .float16])
    func weightsAreMergedInFP32AndRoundedOnce(type: ExportedModel.SixteenBits) throws {
        let exported = try ExportedModel(model: model.path, adapter: model.adapter)
        try exported.preparedMerge(to: model.output("merged"), type: type)(nil)
        let file = try SafetensorsFile(path: model.output("merged/model.safetensors"))
        for (name, _) in try model.tensors() {
            let expected = try model.merged(name).map { type == .bfloat16 ? $0.roundedToBFloat16 : Float(Float16($0)) }
            #expect(try file.readFloats(name) == expected, "\(name)")
        }
        #expect(file.metadata == ["format": "pt"])
        let checkpoint = try Checkpoint(path: model.output("merged"))
        #expect(checkpoint.configuration == exported.checkpoint.configuration)
        #expect(checkpoint.chatTemplate == exported.checkpoint.chatTemplate)
        let config = try String(contentsOfFile: model.output("merged/config.json"), encoding: .utf8)
        #expect(config.contains(#""torch_dtype": "\#(type.rawValue)""#))
    }

    @Test func aBigModelIsCutIntoShards() throws {
        let exported = try ExportedModel(model: model.path, adapter: model.adapter)
        let limit = 300_000
        try exported.preparedMerge(
            to: model.output("sharded"), type: .bfloat16, overwrites: false, shardLimit: limit)(nil)
        try exported.preparedMerge(to: model.output("whole"))(nil)
        let names = try FileManager.default.contentsOfDirectory(atPath: model.output("sharded"))
        let shards = names.filter { $0.hasPrefix("model-0000") }
        #expect(shards.count > 3 && names.contains("model.safetensors.index.json"))
        let sharded = try ShardedSafetensors(directory: model.output("sharded"))
        let whole = try SafetensorsFile(path: model.output("whole/model.safetensors"))
        #expect(sharded.entries.keys == whole.entries.keys)
        for name in whole.entries.keys { #expect(try sharded.readBytes(name) == whole.readBytes(name)) }
    }

    @Test func progressEndsAtTheWhole() throws {
        var shares: [Double] = []
        try ExportedModel(model: model.path).preparedMerge(to: model.output("merged"))({ shares.append($0) })
        #expect(shares == shares.sorted() && shares.last == 1 && shares.count > 10)
    }

    @Test func aValueBeyondFloat16IsNamed() throws {
        var writer = SafetensorsWriter()
        let source = try SafetensorsFile(path: model.path + "/model.safetensors")
        for entry in source.entries.values {
            var values = try source.readFloats(entry.name)
            if entry.name == "model.norm.weight" { values[3] = 70_000 }
            writer.append(entry.name, shape: entry.shape, .bf16(values))
        }
        try writer.write(to: URL(filePath: model.path + "/model.safetensors"))
        let write = try ExportedModel(model: model.path).preparedMerge(to: model.output("half"), type: .float16)
        #expect { try write(nil) } throws: {
            "\($0)".contains("'model.norm.weight' holds 70144.0, wanted at most 65504")
        }
        #expect(!FileManager.default.fileExists(atPath: model.output("half")))
        let left = try FileManager.default.contentsOfDirectory(atPath: model.folder.url.path)
        #expect(left.sorted() == ["adapter", "model"])
    }

    @Test(arguments: [false, true])
    func bitsAndBytesReadsBack(doubleQuantization: Bool) throws {
        let exported = try ExportedModel(model: model.path, adapter: model.adapter)
        try exported.preparedBitsAndBytes(
            to: model.output("bnb"), doubleQuantization: doubleQuantization)(nil)
        let file = try SafetensorsFile(path: model.output("bnb/model.safetensors"))
        for (name, shape) in try model.tensors() {
            let merged = try model.merged(name)
            guard name.hasSuffix("_proj.weight") else {
                #expect(try file.readFloats(name) == merged.map(\.roundedToBFloat16), "\(name)")
                continue
            }
            let tensor = try BitsAndBytesTensor(name, in: file)
            let (codes, scales) = NF4.quantize(merged)
            #expect(tensor.shape == shape && tensor.codes == codes, "\(name)")
            let expected = doubleQuantization ? NF4.NestedScales(quantizing: scales).dequantized() : scales
            #expect(tensor.absmax == expected, "\(name)")
            #expect((file.entries[name + ".nested_absmax"] != nil) == doubleQuantization)
        }
        _ = try Checkpoint(path: model.output("bnb"))
        let config = try String(contentsOfFile: model.output("bnb/config.json"), encoding: .utf8)
        #expect(config.contains(#""bnb_4bit_use_double_quant": \#(doubleQuantization)"#))
        #expect(config.contains(#""quant_method": "bitsandbytes""#))
    }

    /// Weights that no adapter touches keep codes and scales; dequantised and quantised again they would not.
    @Test func bitsAndBytesOfBitsAndBytesIsTheSame() throws {
        try ExportedModel(model: model.path).preparedBitsAndBytes(to: model.output("first"))(nil)
        try ExportedModel(model: model.output("first")).preparedBitsAndBytes(to: model.output("second"))(nil)
        let files = try ["first", "second"].map {
            try Data(contentsOf: URL(filePath: model.output($0 + "/model.safetensors")))
        }
        #expect(files[0] == files[1])
    }

    @Test func mergingABitsAndBytesModelLeavesItsQuantisationBehind() throws {
        try ExportedModel(model: model.path).preparedBitsAndBytes(to: model.output("bnb"))(nil)
        try ExportedModel(model: model.output("bnb"), adapter: model.adapter).preparedMerge(to: model.output("merged"))(
            nil)
        let config = try String(contentsOfFile: model.output("merged/config.json"), encoding: .utf8)
        #expect(!config.contains("quantization_config"))
        _ = try Checkpoint(path: model.output("merged"))
    }
}
