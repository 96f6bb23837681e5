import ApusFormats
import ApusModel
import Foundation

/// `optimizer.safetensors`: AdamW's moments of every adapter tensor, as `<PEFT name>.exp_avg` and `<PEFT name>.exp_avg_sq`.
///
/// Transformers ignores the file and starts its optimizer afresh, as it does without `optimizer.pt`.
enum OptimizerFile {
    static let name = "optimizer.safetensors"

    /// Writes the moments of an adapter.
    static func write(_ adapter: LoRAAdapter, to directory: URL) throws {
        let (first, second) = adapter.optimizerState
        var writer = SafetensorsWriter()
        for tensor in adapter.tensors {
            writer.append(tensor.name + ".exp_avg", shape: tensor.shape, .f32(Array(first[tensor.range])))
            writer.append(tensor.name + ".exp_avg_sq", shape: tensor.shape, .f32(Array(second[tensor.range])))
        }
        try writer.write(to: directory.appending(path: name))
    }

    /// Reads the moments back. A file of another adapter is refused by its names and sizes.
    static func read(into adapter: LoRAAdapter, from directory: URL) throws {
        let file = try SafetensorsFile(path: directory.appending(path: name).path)
        var first = [Float](repeating: 0, count: adapter.parameterCount)
        var second = first
        for tensor in adapter.tensors {
            first.replaceSubrange(tensor.range, with: try values(tensor.name + ".exp_avg", tensor, file))
            second.replaceSubrange(tensor.range, with: try values(tensor.name + ".exp_avg_sq", tensor, file))
        }
        adapter.optimizerState = (first, second)
    }

    private static func values(
        _ name: String, _ tensor: LoRAAdapter.Tensor, _ file: SafetensorsFile
    ) throws -> [Float] {
        let bytes = try file.readBytes(name)
        guard bytes.count == 4 * tensor.range.count else {
            throw TrainingError(.resume, "\(file.path): \(name) is not of this adapter's shape \(tensor.shape)")
        }
        return stride(from: 0, to: bytes.count, by: 4).map { start in
            Float(bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[start + $1]) << (8 * $1) })
        }
    }
}
