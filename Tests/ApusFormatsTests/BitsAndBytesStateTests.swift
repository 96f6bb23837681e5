import ApusFormats
import ApusTestSupport
import Foundation
import Testing

/// Weights that bitsandbytes packed in less usual ways, and states that it never wrote.
@Suite struct BitsAndBytesStateTests {
    private func source() throws -> SafetensorsFile {
        try SafetensorsFile(path: Fixture.url("bnb_states.safetensors").path())
    }

    @Test(
        "Block sizes, storage types, dtypes and odd sizes give the weights that bitsandbytes gives",
        arguments: [
            ("block32", 32), ("block128", 128), ("block256", 256), ("block4096", 4096), ("in_bfloat16", 64),
            ("in_float16", 64), ("in_float32", 64), ("nested_in_bfloat16", 64), ("float16", 64), ("float32", 64),
            ("odd", 64), ("uneven", 64),
        ])
    func dequantisesAsBitsAndBytes(name: String, blockSize: Int) throws {
        let source = try source()
        let tensor = try BitsAndBytesTensor("\(name).weight", in: source)
        let golden = try source.entry("golden.\(name)")
        #expect(tensor.shape == golden.shape && tensor.blockSize == blockSize && tensor.type == golden.type)
        #expect(try BitsAndBytesTensor.shape(of: "\(name).weight", in: source) == golden.shape)
        #expect(tensor.values() == (try source.readFloats("golden.\(name)")))
    }

    @Test("Scales restored from 8 bits may lie below zero, as bitsandbytes leaves them")
    func restoredScalesBelowZero() throws {
        #expect(try BitsAndBytesTensor("uneven.weight", in: source()).absmax.contains { $0 < 0 })
    }

    @Test("FP4 is refused by its name, under its own key and under that of NF4")
    func fp4IsRefused() throws {
        let name = "fp4.weight"
        #expect(try BitsAndBytesTensor.isQuantized(name, in: source()))
        expectFormatError(.unsupported, containing: "found FP4") { try BitsAndBytesTensor(name, in: source()) }
        expectFormatError(.unsupported, containing: "found FP4") {
            try BitsAndBytesTensor.shape(of: name, in: source())
        }
        let state = Array(#"{"quant_type": "fp4", "blocksize": 64, "dtype": "bfloat16", "shape": [8, 64]}"#.utf8)
        let key = name + Self.suffix
        var disguised = try TensorParts(source(), of: name)
        disguised.tensors[name + ".quant_state.bitsandbytes__fp4"] = nil
        expectFormatError(.unsupported, containing: "quant_type nf4, found fp4") {
            try BitsAndBytesTensor(name, in: disguised.replacing(key, .u8, state))
        }
        let lied = Array(#"{"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [8, 64]}"#.utf8)
        expectFormatError(.unsupported, containing: "wanted NF4's table") {
            try BitsAndBytesTensor(name, in: disguised.replacing(key, .u8, lied))
        }
    }

    private static let suffix = ".quant_state.bitsandbytes__nf4"

    @Test(
        "A state that bitsandbytes would not write is refused with what is wrong",
        arguments: [
            (state("offset", "1"), "'offset'"), (state("dtype", #""float16", "dtype": "float32""#), "twice"),
            (state() + "x", "the end"), (state("quant_type", nil), "quant_type nf4, found none"),
            (state("dtype", nil), "or float32, found none"), (state("shape", nil), "[out, in], found none"),
            (state("blocksize", nil), "65536, found none"), (state("blocksize", "64.0"), "whole number"),
            (state("blocksize", "63"), "found 63"), (state("blocksize", "0"), "found 0"),
            (state("shape", "[8, 64, 1]"), "[8, 64, 1]"), (state("shape", "[512]"), "[512]"),
            (state("shape", "[0, 64]"), "[0, 64]"), (state("shape", "[4294967296, 65536]"), "[out, in]"),
            (state("shape", "[4294967296, 4294967296]"), "[out, in]"), (state("dtype", #""float64""#), "found float64"),
            (state("nested_blocksize", nil), "found none, float32, 0.5"),
            (state("nested_dtype", nil), "256, none, 0.5"),
            (state("nested_offset", nil), "256, float32, none"), (state("nested_blocksize", "0"), "0, float32, 0.5"),
            (state("nested_dtype", #""float16""#), "256, float16, 0.5"),
            (state("nested_offset", "1e39"), "float32, 1e39"),
            (state("nested_offset", "NaN"), "a digit"), (state("nested_offset", "null"), "a digit"),
            (state("nested_blocksize", "99999999999999999999"), "above 2^63"), ("[]", "'{'"), ("", "'{'"),
        ])
    func lyingStatesAreRefused(json: String, complaint: String) throws {
        let source = try TensorParts(source(), of: "float16.weight")
            .replacing("float16.weight" + Self.suffix, .u8, Array(json.utf8))
        expectFormatError(.unsupported, containing: complaint) { try BitsAndBytesTensor("float16.weight", in: source) }
        expectFormatError(.unsupported) { try BitsAndBytesTensor.shape(of: "float16.weight", in: source) }
    }

    /// A state with one member changed or, with nil, left out.
    private static func state(_ key: String = "", _ value: String? = "") -> String {
        var members = [
            "quant_type": #""nf4""#, "blocksize": "64", "dtype": #""float16""#, "shape": "[8, 64]",
            "nested_blocksize": "256", "nested_dtype": #""float32""#, "nested_offset": "0.5",
        ]
        if !key.isEmpty { members[key] = value }
        return "{" + members.sorted { $0.key < $1.key }.map { "\"\($0)\": \($1)" }.joined(separator: ", ") + "}"
    }

    @Test("A state that is cut at any byte, or not text, is refused")
    func cutStatesAreRefused() throws {
        let key = "float16.weight" + Self.suffix
        let whole = try source().readBytes(key)
        let parts = try TensorParts(source(), of: "float16.weight")
        for length in whole.indices {
            let cut = try parts.replacing(key, .u8, Array(whole[..<length]))
            expectFormatError(.unsupported) { try BitsAndBytesTensor("float16.weight", in: cut) }
        }
        let noText = try parts.replacing(key, .u8, whole.map { $0 == UInt8(ascii: "n") ? 0xFF : $0 })
        expectFormatError(.unsupported, containing: "UTF-8") { try BitsAndBytesTensor("float16.weight", in: noText) }
    }

    @Test(
        "Parts of another size, type or sign are refused by their name",
        arguments: [
            ("float32.weight", "", ElementType.u8, [UInt8](repeating: 7, count: 255), "wanted 256 bytes of codes"),
            ("float32.weight", "", .u8, [UInt8](repeating: 7, count: 257), "wanted 256 bytes of codes"),
            ("float32.weight", ".absmax", .f32, [UInt8](repeating: 0, count: 28), "wanted 8 scales in absmax"),
            ("float32.weight", ".absmax", .f32, [UInt8](repeating: 0, count: 36), "wanted 8 scales in absmax"),
            ("float32.weight", ".absmax", .u8, [UInt8](repeating: 0, count: 8), "wanted F32, found U8"),
            ("float32.weight", ".absmax", .f32, scales(at: 3, -0.5), "1 of 8 scales are negative"),
            ("float32.weight", ".absmax", .f32, scales(at: 0, .nan), "1 of 8 scales are negative, NaN"),
            ("float32.weight", ".absmax", .f32, scales(at: 7, .infinity), "1 of 8 scales are negative, NaN"),
            ("float32.weight", ".quant_map", .f32, [UInt8](repeating: 0, count: 60), "wanted 16 entries"),
            ("float16.weight", ".absmax", .i8, [UInt8](repeating: 0, count: 8), "wanted U8, found I8"),
            ("float16.weight", ".absmax", .u8, [UInt8](repeating: 0, count: 9), "wanted 8 bytes in absmax"),
            ("float16.weight", ".nested_absmax", .f32, [0, 0, 128, 191], "1 of 1 scales are negative"),
            ("float16.weight", ".nested_absmax", .f32, [0, 0, 128, 63, 0, 0, 128, 63], "wanted 1 scales"),
            ("float16.weight", ".nested_quant_map", .f32, [UInt8](repeating: 0, count: 1020), "wanted 256 entries"),
            ("float16.weight", ".nested_quant_map", .f32, [UInt8](repeating: 0xFF, count: 1024), "are NaN or infinite"),
        ])
    func partsThatDoNotFit(
        name: String, part: String, type: ElementType, bytes: [UInt8], complaint: String
    ) throws {
        let whole = try TensorParts(source(), of: name)
        #expect(throws: Never.self) { try BitsAndBytesTensor(name, in: whole.opened()) }
        expectFormatError(containing: complaint) {
            try BitsAndBytesTensor(name, in: whole.replacing(name + part, type, bytes))
        }
    }

    private static func scales(at position: Int, _ value: Float) -> [UInt8] {
        (0..<8).flatMap { i in withUnsafeBytes(of: (i == position ? value : 1).bitPattern.littleEndian, Array.init) }
    }

    @Test("The parts of a weight may lie in different shards, beside modules that were left in 16 bit")
    func partsInDifferentShards() throws {
        let (folder, source) = (try TemporaryFolder(), try source())
        var writers = [SafetensorsWriter(), SafetensorsWriter()]
        var map: [String: String] = [:]
        let names = source.entries.keys.filter { $0.hasPrefix("float16.") || $0 == "golden.float16" }.sorted()
        for (number, name) in names.enumerated() {
            let entry = try source.entry(name)
            writers[number % 2].append(name, shape: entry.shape, .raw(entry.type, try source.readBytes(name)))
            map[name] = "shard-\(number % 2).safetensors"
        }
        for number in 0..<2 { try writers[number].write(to: folder.url.appending(path: "shard-\(number).safetensors")) }
        let index = try JSONEncoder().encode(["weight_map": map])
        _ = try folder.write(index, as: "model.safetensors.index.json")
        let shards = try ShardedSafetensors(directory: folder.url.path())
        #expect(shards.files.count == 2 && names.count == 7)
        let tensor = try BitsAndBytesTensor("float16.weight", in: shards)
        #expect(tensor.values() == (try shards.readFloats("golden.float16")))
        #expect(!BitsAndBytesTensor.isQuantized("golden.float16", in: shards))
    }
}

extension BitsAndBytesTensor {
    /// All weights, rounded as bitsandbytes does it.
    fileprivate func values() -> [Float] {
        let size = shape.reduce(1, *)
        return [Float](unsafeUninitializedCapacity: size) { buffer, count in
            read(rows: 0..<shape[0], into: UnsafeMutableBufferPointer(rebasing: buffer[..<size]))
            count = size
        }
    }
}
