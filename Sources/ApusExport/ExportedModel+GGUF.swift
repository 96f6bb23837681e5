import ApusFormats
import ApusModel
import ApusText
import Foundation

extension ExportedModel {
    private static let ropeDivisors = "rope_freqs.weight"

    /// Writes one GGUF file with model and tokenizer that llama.cpp and Apus load.
    ///
    /// - Parameters:
    ///   - output: a new file.
    ///   - type: how matrices are written.
    ///   - name: what `general.name` says.
    ///   - overwrites: whether a file that is there may be replaced.
    /// - Returns: a function that writes.
    /// - Throws: `ExportError`, or `TextError` for a tokenizer that llama.cpp does not know.
    public func preparedGGUF(
        to output: String, type: GGUFModelType, name: String, overwrites: Bool = false
    ) throws -> (Progress?) throws -> Void {
        let place = try OutputPlace(output, overwrites: overwrites, sources: sources)
        try place.prepareFile()
        let layout = CheckpointLayout.gguf(configuration)
        var writer = GGUFWriter()
        let vocabulary = try tokenizer.ggufVocabulary(size: max(configuration.vocabularySize, tokenizer.vocabularySize))
        GGUFMetadata(configuration: configuration, vocabulary: vocabulary, name: name).add(to: &writer, type: type)
        var names: [String: String] = [:]
        for (tensor, shape) in configuration.tensorShapes {
            let stored = layout.storedName(of: tensor)
            names[stored] = tensor
            let elements = type.type(of: tensor, shape: shape, in: configuration)
            writer.tensors.append(TensorLayout(name: stored, shape: shape, type: elements))
        }
        let divisors = ropeDivisors
        if let divisors {
            writer.tensors.append(TensorLayout(name: Self.ropeDivisors, shape: [divisors.count], type: .f32))
        }
        return { [writer, names] progress in
            let counter = ProgressCounter(total: writer.fileSize, report: progress)
            let pipeline = TensorPipeline()
            try writer.write(to: place.path) { tensor, append in
                func count(_ bytes: [UInt8]) throws {
                    try append(bytes)
                    counter.add(bytes.count)
                }
                guard let name = names[tensor.name] else { return try count(tensor.type.encode(divisors ?? [])) }
                try weights.tensor(name, shape: tensor.shape).encode(
                    as: tensor.type, order: layout.rowOrder(of: name), through: pipeline, append: count)
            }
        }
    }

    /// What `rope_freqs.weight` holds; nil where frequencies are as the base says or the metadata say how they are stretched.
    private var ropeDivisors: [Float]? {
        switch configuration.ropeScaling {
        case .none, .linear: nil
        case .llama3, .divisors: configuration.ropeDivisors()
        }
    }

    /// The types in which an adapter's matrices can be written to GGUF.
    public enum GGUFAdapterType: String, Sendable, CaseIterable {
        /// As trained.
        case f32 = "F32"
        /// Half the size.
        case f16 = "F16"

        var elementType: ElementType { self == .f32 ? .f32 : .f16 }
    }

    /// Writes the adapter alone as a GGUF LoRA, for llama.cpp's `--lora` beside the unchanged base model.
    ///
    /// - Parameters:
    ///   - output: a new file.
    ///   - type: how matrices are written.
    ///   - name: what `general.name` says.
    ///   - overwrites: whether a file that is there may be replaced.
    /// - Returns: a function that writes.
    /// - Throws: `ExportError`.
    public func preparedGGUFAdapter(
        to output: String, type: GGUFAdapterType = .f32, name: String, overwrites: Bool = false
    ) throws -> (Progress?) throws -> Void {
        let adapter = try requiredAdapter()
        let place = try OutputPlace(output, overwrites: overwrites, sources: sources)
        try place.prepareFile()
        let writer = adapterWriter(adapter, type: type, name: name)
        let layout = CheckpointLayout.gguf(configuration)
        return { progress in
            let counter = ProgressCounter(total: writer.fileSize, report: progress)
            var remaining = adapter.modules[...]
            var outgoing: [UInt8]?
            try writer.write(to: place.path) { tensor, append in
                // Tensors come as A and B of one module after the other.
                if let bytes = outgoing.take() {
                    try append(bytes)
                } else if let module = remaining.popFirst(), let pair = try adapter.matrices(of: module) {
                    var b = pair.b
                    if let order = layout.rowOrder(of: module + ".weight") {
                        b = Self.reordered(b, width: adapter.configuration.rank, order: order)
                    }
                    outgoing = tensor.type.encode(b)
                    try append(tensor.type.encode(pair.a))
                }
                counter.add(tensor.byteCount)
            }
        }
    }

    private func adapterWriter(_ adapter: AdapterFile, type: GGUFAdapterType, name: String) -> GGUFWriter {
        let layout = CheckpointLayout.gguf(configuration)
        var writer = GGUFWriter()
        writer.set("general.architecture", .string(configuration.architecture.rawValue))
        writer.set("general.type", .string("adapter"))
        writer.set("general.name", .string(name))
        writer.set("general.file_type", .uint32(type == .f32 ? 0 : 1))
        writer.set("adapter.type", .string("lora"))
        let rank = adapter.configuration.rank
        // llama.cpp divides by the rank, whatever PEFT divides by.
        writer.set("adapter.lora.alpha", .float32(adapter.scale * Float(rank)))
        for module in adapter.modules {
            let stored = layout.storedName(of: module + ".weight")
            let shape = configuration.tensorShapes.first { $0.name == module + ".weight" }?.shape ?? []
            writer.tensors.append(
                TensorLayout(name: stored + ".lora_a", shape: [rank, shape[1]], type: type.elementType))
            writer.tensors.append(
                TensorLayout(name: stored + ".lora_b", shape: [shape[0], rank], type: type.elementType))
        }
        return writer
    }

    private static func reordered(_ values: [Float], width: Int, order: InterleavedRows) -> [Float] {
        (0..<values.count / width).flatMap { stored in
            let row = order.row(storedAt: stored)
            return values[row * width..<(row + 1) * width]
        }
    }
}
