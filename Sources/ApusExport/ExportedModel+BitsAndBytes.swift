import ApusFormats
import ApusModel
import ApusText
import Foundation

extension ExportedModel {
    /// Writes a Hugging Face folder whose linear layers are in bitsandbytes' NF4, as `load_in_4bit` models are published;
    /// embedding, head, norms and biases are bfloat16.
    ///
    /// - Parameters:
    ///   - output: a new folder.
    ///   - doubleQuantization: whether the scales are themselves kept in 8 bits, which saves 0.37 bits a weight.
    ///   - overwrites: whether a folder that is there may be replaced.
    /// - Returns: a function that writes.
    /// - Throws: `ExportError`.
    public func preparedBitsAndBytes(
        to output: String, doubleQuantization: Bool = false, overwrites: Bool = false
    ) throws -> (Progress?) throws -> Void {
        try checkHuggingFaceCanHoldIt()
        try checkMerge()
        if checkpoint.isGGUF { _ = try configuration.huggingFaceMembers() }
        let place = try OutputPlace(output, overwrites: overwrites, sources: sources)
        try place.prepareFolder()
        let plan = BitsAndBytesPlan(configuration, doubleQuantization: doubleQuantization)
        let shards = ShardPlan(plan.units, limit: Self.shardLimit, sorts: false)
        return { progress in
            let counter = ProgressCounter(total: shards.totalSize, report: progress)
            let writer = BitsAndBytesWriter(weights: weights, plan: plan)
            let files = ModelFolderFiles(model: self, dtype: "bfloat16", quantization: plan.configuration)
            try place.writeFolder { folder in
                try files.write(to: folder)
                try shards.write(to: folder) { tensor, append in
                    try writer.write(tensor) {
                        try append($0)
                        counter.add($0.count)
                    }
                }
            }
        }
    }
}

/// Writes the tensors of a plan in its order; a weight is quantised when the first of its parts is due.
private final class BitsAndBytesWriter {
    private let weights: MergedWeights
    private let plan: BitsAndBytesPlan
    private let pipeline = TensorPipeline()
    private var current: (role: TensorRole, parts: BitsAndBytesParts)?

    init(weights: MergedWeights, plan: BitsAndBytesPlan) {
        self.weights = weights
        self.plan = plan
    }

    func write(_ tensor: TensorLayout, _ append: ([UInt8]) throws -> Void) throws {
        guard let (weight, part) = plan.sources[tensor.name] else { preconditionFailure("the plan names every tensor") }
        guard let part else {
            let layout = CheckpointLayout.huggingFace(weights.checkpoint.configuration.architecture)
            return try weights.tensor(weight)
                .encode(as: tensor.type, in: layout, through: pipeline, append: append)
        }
        if let current, current.role == weight.role { return try append(current.parts.bytes(of: part)) }
        let parts = try BitsAndBytesParts(weights.tensor(weight), plan: plan, through: pipeline)
        current = (weight.role, parts)
        try append(parts.bytes(of: part))
    }
}
