import ApusFormats
import ApusTensor
import ApusTestSupport
import Foundation

@testable import ApusModel

/// One of the four tiny models and what transformers and PEFT computed with it.
struct TinyModel {
    static let names = ["tiny_llama", "tiny_llama_tied", "tiny_qwen2", "tiny_qwen2_untied"]

    let model: LanguageModel
    let adapter: LoRAAdapter
    /// Rows 0 and 1 of the golden batch, split at the first completion token, without padding.
    let groups: [TokenGroup]
    private let golden: SafetensorsFile

    init(_ name: String, precision: WeightPrecision, backend: CPUBackend) throws {
        let folder = try ModelFolder(copying: name)
        model = try LanguageModel(path: folder.path, precision: precision, backend: backend)
        adapter = try LoRAAdapter(directory: URL(filePath: folder.path), for: model)
        golden = try SafetensorsFile(path: Fixture.url("\(name)/golden.safetensors").path)
        let ids = try golden.integers("input_ids")
        groups = [
            TokenGroup(prompt: Array(ids[0..<6]), completions: [Array(ids[6..<14])]),
            TokenGroup(prompt: Array(ids[18..<20]), completions: [Array(ids[20..<26])]),
        ]
    }

    /// Golden values of the completion tokens, per group.
    func completionValues(_ name: String) throws -> [[Float]] {
        let values = try golden.floats(name)
        return [Array(values[6..<14]), Array(values[20..<26])]
    }

    /// Entropies lie one position earlier: that of the distribution that a token is drawn from.
    func completionEntropies() throws -> [[Float]] {
        let values = try golden.floats("entropy")
        return [Array(values[5..<13]), Array(values[19..<25])]
    }

    func gradient(_ tensor: String) throws -> [Float] { try golden.floats("grad.\(tensor)") }
}

/// A fixture's model files in a folder of their own with a tokenizer, which the fixtures do not have.
struct ModelFolder {
    let path: String

    init(copying name: String) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "apus-\(name)-\(UUID().uuidString)")
        try FileManager.default.copyItem(at: Fixture.url(name), to: folder)
        for file in ["tokenizer.json", "tokenizer_config.json"] {
            try FileManager.default.copyItem(at: Fixture.url("base96-slips/\(file)"), to: folder.appending(path: file))
        }
        path = folder.path
    }
}

extension SafetensorsFile {
    func floats(_ name: String) throws -> [Float] {
        let shape = entries[name]?.shape ?? []
        let rows = shape.count > 1 ? shape[0] : 1
        var values = [Float](repeating: 0, count: shape.reduce(1, *))
        try values.withUnsafeMutableBufferPointer { try read(name, rows: 0..<rows, into: $0) }
        return values
    }

    func integers(_ name: String) throws -> [Int32] {
        let bytes = try readBytes(name)
        return stride(from: 0, to: bytes.count, by: 8).map { at in
            Int32(truncatingIfNeeded: (0..<8).reduce(Int64(0)) { $0 | Int64(bytes[at + $1]) << Int64(8 * $1) })
        }
    }
}

/// The largest difference, as a share of the largest reference value.
func relativeDifference(_ values: [Float], _ reference: [Float]) -> Float {
    let largest = reference.map(abs).max() ?? 0
    return zip(values, reference).map { abs($0 - $1) }.max().map { $0 / max(largest, .leastNormalMagnitude) } ?? 0
}
