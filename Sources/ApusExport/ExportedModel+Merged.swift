import ApusFormats
import ApusModel
import Foundation

extension ExportedModel {
    /// The types in which merged weights can be written.
    public enum SixteenBits: String, Sendable, CaseIterable {
        /// bfloat16: fp32's range.
        case bfloat16
        /// float16: three more bits, but nothing above 65504.
        case float16

        var elementType: ElementType { self == .bfloat16 ? .bf16 : .f16 }
    }

    /// Largest safetensors file; a bigger model is cut into shards.
    static let shardLimit = 5_000_000_000

    /// Writes a Hugging Face folder with 16-bit weights that transformers, vLLM and Apus load.
    ///
    /// - Parameters:
    ///   - output: a new folder.
    ///   - type: how weights are rounded.
    ///   - overwrites: whether a folder that is there may be replaced.
    /// - Returns: a function that writes; when it is given out, everything that can be checked beforehand was checked.
    /// - Throws: `ExportError`.
    public func preparedMerge(
        to output: String, type: SixteenBits = .bfloat16, overwrites: Bool = false
    ) throws -> (Progress?) throws -> Void {
        try preparedMerge(to: output, type: type, overwrites: overwrites, shardLimit: Self.shardLimit)
    }

    func preparedMerge(
        to output: String, type: SixteenBits, overwrites: Bool, shardLimit: Int
    ) throws -> (Progress?) throws -> Void {
        try checkHuggingFaceCanHoldIt()
        try checkMerge()
        if checkpoint.isGGUF { _ = try configuration.huggingFaceMembers() }
        let place = try OutputPlace(output, overwrites: overwrites, sources: sources)
        try place.prepareFolder()
        let layout = CheckpointLayout.huggingFace(configuration.architecture)
        let tensors = configuration.tensors
        let sources = Dictionary(uniqueKeysWithValues: tensors.map { (layout.name(of: $0.role), $0) })
        let shards = ShardPlan(
            tensors.map { [TensorLayout(name: layout.name(of: $0.role), shape: $0.shape, type: type.elementType)] },
            limit: shardLimit)
        return { progress in
            let counter = ProgressCounter(total: shards.totalSize, report: progress)
            let pipeline = TensorPipeline()
            try place.writeFolder { folder in
                try ModelFolderFiles(model: self, dtype: type.rawValue).write(to: folder)
                try shards.write(to: folder) { tensor, append in
                    guard let source = sources[tensor.name] else { preconditionFailure("a shard names known tensors") }
                    try weights.tensor(source).encode(as: tensor.type, in: layout, through: pipeline) {
                        try append($0)
                        counter.add($0.count)
                    }
                }
            }
        }
    }
}
