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
    private var loaded: [(name: String, parts: [any SharedBytes])] = []
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
        let tied = configuration.tiesEmbeddings || !checkpoint.contains(.head)
        let head = try weight(
            tied ? .embedding : .head, precision.headFormat(configuration), configuration.vocabularySize,
            configuration.hiddenSize)
        var layers: [LayerWeights] = []
        for index in 0..<configuration.layerCount {
            layers.append(try layer(index, configuration.layers[index]))
            progress?(Double(index + 1) / Double(configuration.layerCount))
        }
        return ModelWeights(
            embedding: tied ? .shared(head) : .file(checkpoint), head: head, layers: layers,
            finalNorm: try vector(.finalNorm, configuration.hiddenSize))
    }

    /// Has what was packed here written for the next run, while this one goes on.
    func keepPacked() {
        guard let cache, let key, !foundAll else { return }
        let bytes = loaded.reduce(0) { $0 + $1.parts.reduce(0) { $0 + $1.byteCount } }
        if bytes >= cache.smallestModel { cache.writeLater(loaded, key: key, replaces: packed != nil) }
    }

    private func layer(_ layer: Int, _ plan: LayerPlan) throws -> LayerWeights {
        var weights = LayerWeights(plan)
        for linear in plan.modules {
            let module = linear.module
            weights[module] = try weight(
                .weight(module, layer: layer), precision.linearFormat, linear.outputs, linear.inputs)
            if linear.hasBias { weights.setBias(try vector(.bias(module, layer: layer), linear.outputs), of: module) }
        }
        for place in plan.normPositions {
            weights[place] = try vector(.norm(place, layer: layer), plan.norms[place] ?? 0)
        }
        return weights
    }

    private func weight(_ role: TensorRole, _ format: WeightFormat, _ outputs: Int, _ inputs: Int) throws -> Weight {
        let weight: Weight
        let name = name(of: role)
        if let parts = packed?.parts(of: name),
            let found = try? backend.makeWeight(format, outputs: outputs, inputs: inputs, packed: parts)
        {
            weight = found
        } else {
            foundAll = false
            weight = try packedHere(role, format, outputs, inputs)
        }
        if cache != nil { loaded.append((name, backend.packedParts(of: weight))) }
        return weight
    }

    private func packedHere(_ role: TensorRole, _ format: WeightFormat, _ outputs: Int, _ inputs: Int) throws -> Weight
    {
        defer { checkpoint.finish(role) }
        if format == .nf4, let stored = try checkpoint.quantized(role), stored.blockSize == 64 {
            return try backend.makeWeight(
                NF4Matrix(codes: stored.codes, scales: stored.absmax, outputs: outputs, inputs: inputs))
        }
        return try backend.makeWeight(format, outputs: outputs, inputs: inputs) { rows, destination in
            try checkpoint.read(role, rows: rows, into: destination)
        }
    }

    /// A bias, or a gain as it multiplies.
    private func vector(_ role: TensorRole, _ count: Int) throws -> Matrix {
        let name = name(of: role)
        let values: VectorValues
        if let part = packed?.parts(of: name).first, let found = VectorValues(part, count: count) {
            values = found
        } else {
            foundAll = false
            values = try read(role, count)
        }
        loaded.append((name, [values]))
        return try backend.makeMatrix(values.values, rows: 1, columns: count)
    }

    private func read(_ role: TensorRole, _ count: Int) throws -> VectorValues {
        defer { checkpoint.finish(role) }
        var values = [Float](repeating: 0, count: count)
        try values.withUnsafeMutableBufferPointer { try checkpoint.read(role, rows: 0..<1, into: $0) }
        let offset = role.isGain ? checkpoint.configuration.architecture.gainOffset : 0
        return VectorValues(offset == 0 ? values : values.map { $0 + offset })
    }

    /// What packed weights go by, whatever file they come from.
    private func name(of role: TensorRole) -> String { checkpoint.configuration.huggingFaceLayout.name(of: role) }
}

/// The values of a gain or a bias, as they are kept with packed weights.
private final class VectorValues: SharedBytes {
    let values: [Float]

    init(_ values: [Float]) { self.values = values }

    /// nil where a part holds another number of values.
    convenience init?(_ part: SharedPart, count: Int) {
        let values = part.bytes.withBytes { bytes -> [Float]? in
            guard part.range.lowerBound >= 0, part.range.upperBound <= bytes.count, part.range.count == 4 * count else {
                return nil
            }
            return (0..<count).map {
                bytes.loadUnaligned(fromByteOffset: part.range.lowerBound + 4 * $0, as: Float.self)
            }
        }
        guard let values else { return nil }
        self.init(values)
    }

    func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R { try values.withUnsafeBytes(body) }
}
