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
        for tensor in adapter.tensorNames {
            writer.append(tensor.name + ".exp_avg", shape: tensor.shape, .f32(Array(first[tensor.range])))
            writer.append(tensor.name + ".exp_avg_sq", shape: tensor.shape, .f32(Array(second[tensor.range])))
        }
        try writer.write(to: directory.appending(path: name))
    }
}
