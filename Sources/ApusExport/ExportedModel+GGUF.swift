import ApusFormats
import ApusModel
import ApusText
import Foundation

extension ExportedModel {
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
        try checkMerge()
        let place = try OutputPlace(output, overwrites: overwrites, sources: sources)
        try place.prepareFile()
        let layout = configuration.ggufLayout
        var writer = GGUFWriter()
        guard tokenizer.vocabularySize <= configuration.vocabularySize else {
            throw ExportError(
                "\(checkpoint.path): the tokenizer has \(tokenizer.vocabularySize) tokens, the embedding "
                    + "\(configuration.vocabularySize) rows; llama.cpp wants a row for each token")
        }
        guard configuration.architecture.canSayInGGUF(configuration) else {
            throw ExportError(
                "\(checkpoint.path): its windows, rotations, scales, soft-caps, biases or head are others than llama.cpp takes "
                    + "for granted in \(configuration.architecture.ggufName) models; export merged")
        }
        let vocabulary = try tokenizer.ggufVocabulary(size: configuration.vocabularySize)
        GGUFMetadata(configuration: configuration, vocabulary: vocabulary, name: name).add(to: &writer, type: type)
        var sources: [String: ModelTensor] = [:]
        var tensors = configuration.tensors.map { (name: layout.name(of: $0.role), tensor: $0) }
        if configuration.tiesEmbeddings, configuration.architecture.headInGGUF == .own {
            tensors.append((layout.name(of: .head), tensors[0].tensor))
        }
        for (stored, tensor) in tensors {
            sources[stored] = tensor
            let elements = type.type(of: tensor, in: configuration)
            writer.tensors.append(TensorLayout(name: stored, shape: tensor.shape, type: elements))
        }
        let divisors = configuration.rotaryEmbeddings[0].ggufDivisors
        for (name, values) in divisors {
            writer.tensors.append(TensorLayout(name: name, shape: [values.count], type: .f32))
        }
        return { [writer, sources] progress in
            let counter = ProgressCounter(total: writer.fileSize, report: progress)
            let pipeline = TensorPipeline()
            try writer.write(to: place.path) { tensor, append in
                func count(_ bytes: [UInt8]) throws {
                    try append(bytes)
                    counter.add(bytes.count)
                }
                guard let source = sources[tensor.name] else {
                    let values = divisors.first { $0.name == tensor.name }?.values ?? []
                    return try count(tensor.type.encode(values))
                }
                try weights.tensor(source).encode(as: tensor.type, in: layout, through: pipeline, append: count)
            }
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
        let writer = try adapterWriter(adapter, type: type, name: name)
        let layout = configuration.ggufLayout
        return { progress in
            let counter = ProgressCounter(total: writer.fileSize, report: progress)
            var remaining = adapter.targets.modules[...]
            var outgoing: [UInt8]?
            try writer.write(to: place.path) { tensor, append in
                // Tensors come as A and B of one module after the other.
                if let bytes = outgoing.take() {
                    try append(bytes)
                } else if let module = remaining.popFirst(), let pair = try adapter.matrices(of: module.path) {
                    var b = pair.b
                    if let order = layout.rowOrder(of: module.role) {
                        b = Self.reordered(b, width: module.rank, order: order)
                    }
                    outgoing = tensor.type.encode(b)
                    try append(tensor.type.encode(pair.a))
                }
                counter.add(tensor.byteCount)
            }
        }
    }

    private func adapterWriter(_ adapter: AdapterFile, type: GGUFAdapterType, name: String) throws -> GGUFWriter {
        guard !adapter.targets.hasTables else {
            throw ExportError(
                "\(adapter.path): it adapts the embedding or the head, which llama.cpp's adapters do not; export merged instead"
            )
        }
        let alphas = Set(adapter.targets.modules.map { adapter.scale(of: $0) * Float($0.rank) })
        guard let alpha = alphas.first, alphas.count == 1 else {
            throw ExportError(
                "\(adapter.path): the modules have several alphas, and a GGUF adapter has room for one; export merged instead"
            )
        }
        let layout = configuration.ggufLayout
        var writer = GGUFWriter()
        writer.set("general.architecture", .string(configuration.architecture.ggufName))
        writer.set("general.type", .string("adapter"))
        writer.set("general.name", .string(name))
        writer.set("general.file_type", .uint32(type == .f32 ? 0 : 1))
        writer.set("adapter.type", .string("lora"))
        // llama.cpp divides one alpha by each pair's rank, whatever PEFT divides by.
        writer.set("adapter.lora.alpha", .float32(alpha))
        for module in adapter.targets.modules {
            let stored = layout.name(of: module.role)
            writer.tensors.append(
                TensorLayout(
                    name: stored + ".lora_a", shape: [module.rank, module.inputs], type: type.elementType))
            writer.tensors.append(
                TensorLayout(
                    name: stored + ".lora_b", shape: [module.outputs, module.rank], type: type.elementType))
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

extension RotaryEmbedding {
    /// What GGUF holds of the frequencies as tensors: metadata have no word for these rules.
    fileprivate var ggufDivisors: [(name: String, values: [Float])] {
        switch scaling {
        case .none, .linear, .dynamic, .yarn: []
        case .llama3, .divisors: [("rope_freqs.weight", divisors)]
        case .long(let long):
            [
                ("rope_factors_long.weight", long.long.map { Float($0) }),
                ("rope_factors_short.weight", long.short.map { Float($0) }),
            ]
        }
    }
}
