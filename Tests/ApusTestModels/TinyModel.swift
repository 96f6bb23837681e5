import ApusFormats
public import ApusModel
public import ApusTensor
import ApusTestSupport
import Foundation

/// One of the four tiny models and what transformers and PEFT computed with it.
public struct TinyModel {
    /// The fixtures' folders.
    public static let names = ["tiny_llama", "tiny_llama_tied", "tiny_qwen2", "tiny_qwen2_untied"]

    /// The model, with as many threads as its backend has.
    public let model: LanguageModel
    /// The fixture's adapter; it changes every output.
    public let adapter: LoRAAdapter
    /// Rows 0 and 1 of the golden batch, split at the first completion token, without padding.
    public let groups: [TokenGroup]
    private let golden: SafetensorsFile

    /// Loads a fixture.
    public init(_ name: String, precision: WeightPrecision, backend: any Backend) throws {
        (model, adapter) = try withModelFolder(copying: name) { path in
            let model = try LanguageModel(path: path, precision: precision, backend: backend)
            return (model, try LoRAAdapter(directory: URL(filePath: path), for: model))
        }
        golden = try SafetensorsFile(path: Fixture.url("\(name)/golden.safetensors").path)
        let ids = try golden.integers("input_ids")
        groups = [
            TokenGroup(prompt: Array(ids[0..<6]), completions: [Array(ids[6..<14])]),
            TokenGroup(prompt: Array(ids[18..<20]), completions: [Array(ids[20..<26])]),
        ]
    }

    /// Golden values of the completion tokens, per group.
    public func completionValues(_ name: String) throws -> [[Float]] {
        let values = try golden.floats(name)
        return [Array(values[6..<14]), Array(values[20..<26])]
    }

    /// Entropies lie one position earlier: that of the distribution that a token is drawn from.
    public func completionEntropies() throws -> [[Float]] {
        let values = try golden.floats("entropy")
        return [Array(values[5..<13]), Array(values[19..<25])]
    }

    /// Golden gradient of an adapter tensor, under its PEFT name.
    public func gradient(_ tensor: String) throws -> [Float] { try golden.floats("grad.\(tensor)") }
}

/// The largest difference, as a share of the largest reference value.
public func relativeDifference(_ values: [Float], _ reference: [Float]) -> Float {
    let largest = reference.map(abs).max() ?? 0
    return zip(values, reference).map { abs($0 - $1) }.max().map { $0 / max(largest, .leastNormalMagnitude) } ?? 0
}
