internal import ApusFormats
internal import ApusTensor

/// Brings a checkpoint's tensors into a backend's layout, or finds them there: in the file of packed weights that an earlier
/// run has left.
///
/// Used by one thread.
final class WeightLoader {
    private let checkpoint: Checkpoint
    private let backend: any Backend
    private let precision: WeightPrecision
    private let cache: WeightCache?
    private let key: PackedModelKey?
    private let packed: PackedModel?
    /// What there is to write, in the order in which it was loaded.
    private var loaded: [(name: String, storages: [Storage])] = []
    /// Whether nothing had to be packed here.
    private(set) var foundAll = true

    /// Looks for packed weights where a cache is given.
    init(checkpoint: Checkpoint, backend: any Backend, precision: WeightPrecision, cache: WeightCache?) {
        self.checkpoint = checkpoint
        self.backend = backend
        self.precision = precision
        self.cache = cache
        key = cache == nil ? nil : PackedModelKey(checkpoint, precision: precision, backend: backend)
        packed = key.flatMap { cache?.open($0) }
    }

    /// All weights.
    func load(progress: ((Double) -> Void)?) throws -> ModelWeights {
        let configuration = checkpoint.configuration
        let tied = configuration.tiesEmbeddings || !checkpoint.contains("lm_head.weight")
        let head = try weight(
            tied ? TokenEmbedding.tensor : "lm_head.weight", precision.headFormat(configuration),
            configuration.vocabularySize, configuration.hiddenSize)
        var layers: [LayerWeights] = []
        for index in 0..<configuration.layerCount {
            layers.append(try layer(index, configuration))
            progress?(Double(index + 1) / Double(configuration.layerCount))
        }
        return ModelWeights(
            embedding: tied ? .shared(head) : .file(checkpoint), head: head, layers: layers,
            finalNorm: try vector("model.norm.weight", configuration.hiddenSize))
    }

    /// Has what was packed here written for the next run, while this one goes on.
    func keepPacked() {
        guard let cache, let key, !foundAll else { return }
        let bytes = loaded.reduce(0) { $0 + $1.storages.reduce(0) { $0 + $1.count * 4 } }
        if bytes >= cache.smallestModel { cache.writeLater(loaded, key: key, replaces: packed != nil) }
    }

    private func layer(_ layer: Int, _ configuration: ModelConfiguration) throws -> LayerWeights {
        var linears: [Weight] = []
        var biases: [Matrix?] = []
        for module in LinearModule.allCases {
            let (outputs, inputs) = module.shape(configuration)
            let path = module.path(layer: layer)
            linears.append(try weight(path + ".weight", precision.linearFormat, outputs, inputs))
            biases.append(checkpoint.contains(path + ".bias") ? try vector(path + ".bias", outputs) : nil)
        }
        let prefix = "model.layers.\(layer)."
        return LayerWeights(
            inputNorm: try vector(prefix + "input_layernorm.weight", configuration.hiddenSize),
            postAttentionNorm: try vector(prefix + "post_attention_layernorm.weight", configuration.hiddenSize),
            linears: linears, biases: biases)
    }

    private func weight(_ name: String, _ format: WeightFormat, _ outputs: Int, _ inputs: Int) throws -> Weight {
        let weight: Weight
        if let parts = packed?.parts(of: name),
            let found = try? backend.makeWeight(format, outputs: outputs, inputs: inputs, packed: parts)
        {
            weight = found
        } else {
            foundAll = false
            weight = try packedHere(name, format, outputs, inputs)
        }
        loaded.append((name, weight.storages))
        return weight
    }

    private func packedHere(_ name: String, _ format: WeightFormat, _ outputs: Int, _ inputs: Int) throws -> Weight {
        defer { checkpoint.finish(name) }
        if format == .nf4, let stored = try checkpoint.quantized(name), stored.blockSize == 64 {
            var codes = [UInt8](repeating: 0, count: outputs * inputs)
            for index in codes.indices {
                let byte = stored.codes[index / 2]
                codes[index] = index % 2 == 0 ? byte >> 4 : byte & 15
            }
            return try backend.makeWeight(nf4Codes: codes, scales: stored.absmax, outputs: outputs, inputs: inputs)
        }
        return try backend.makeWeight(format, outputs: outputs, inputs: inputs) { rows, destination in
            try checkpoint.read(name, rows: rows, into: destination)
        }
    }

    private func vector(_ name: String, _ count: Int) throws -> Matrix {
        if let part = packed?.parts(of: name).first, let storage = try? Storage(part, count: count) {
            loaded.append((name, [storage]))
            return Matrix(storage: storage, rows: 1, columns: count)
        }
        foundAll = false
        let matrix = try Matrix(rows: 1, columns: count)
        var values = [Float](repeating: 0, count: count)
        try values.withUnsafeMutableBufferPointer { try checkpoint.read(name, rows: 0..<1, into: $0) }
        matrix.values = values
        checkpoint.finish(name)
        loaded.append((name, [matrix.storage]))
        return matrix
    }
}
