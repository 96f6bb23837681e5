internal import ApusFormats
internal import ApusTensor

/// What it costs to hold a file of few bits a weight in NF4: the file has rounded its weights once, NF4 rounds them again.
///
/// Measured on rows of one layer, which takes a few milliseconds. How far log-probabilities move with the weights can only be
/// told by loading the model twice, which nobody asked for.
public struct SecondRounding: Sendable, Equatable {
    /// GGUF's names of the types of few bits that the linear layers are in, the commonest first.
    public let types: [String]
    /// Root mean square of what NF4 changes, as a share of that of the weights.
    public let error: Double
    /// The same with weights of 8 bits: zero where they hold the file's values exactly.
    public let errorIn8Bits: Double
    /// Bytes that all linear layers would take more in 8 bits.
    public let bytesFor8Bits: Int

    /// Rows of each weight: whole panels of every kernel, and whole blocks of NF4.
    private static let sampledRows = 64

    /// nil unless NF4 is to hold a model whose linear layers are mostly in types of few bits.
    init?(_ checkpoint: Checkpoint, precision: WeightPrecision, backend: any Backend) throws {
        guard precision == .nf4, case let types = checkpoint.typesOfFewBits, !types.isEmpty else { return nil }
        let configuration = checkpoint.configuration
        let layer = configuration.layerCount / 2
        var (size, apart, apartIn8Bits, bytes) = (0.0, 0.0, 0.0, 0)
        for plan in configuration.layers[layer].modules {
            let (outputs, inputs) = (plan.outputs, plan.inputs)
            let rows = min(Self.sampledRows, outputs)
            let values = try Self.values(
                checkpoint, .weight(plan.module, layer: layer), rows: rows, inputs: inputs)
            let nf4 = try RoundedRows(values, .nf4, rows: rows, backend: backend)
            let int8 = try RoundedRows(values, .int8, rows: rows, backend: backend)
            size += Self.sumOfSquares(values)
            apart += nf4.squareError
            apartIn8Bits += int8.squareError
            bytes += (int8.bytes - nf4.bytes) * outputs / rows
        }
        guard size > 0 else { return nil }
        self.types = types.map(\.rawValue)
        error = (apart / size).squareRoot()
        errorIn8Bits = (apartIn8Bits / size).squareRoot()
        bytesFor8Bits = bytes * configuration.layerCount
    }

    private static func values(
        _ checkpoint: Checkpoint, _ role: TensorRole, rows: Int, inputs: Int
    ) throws(FormatError) -> [Float] {
        var values = [Float](repeating: 0, count: rows * inputs)
        var failure: FormatError?
        values.withUnsafeMutableBufferPointer { buffer in
            do throws(FormatError) { try checkpoint.read(role, rows: 0..<rows, into: buffer) } catch { failure = error }
        }
        checkpoint.finish(role)
        if let failure { throw failure }
        return values
    }

    private static func sumOfSquares(_ values: [Float]) -> Double {
        Double(values.reduce(0) { $0 + $1 * $1 })
    }
}

/// Rows of a weight as kernels hold them.
private struct RoundedRows {
    let squareError: Double
    let bytes: Int

    init(_ values: [Float], _ format: WeightFormat, rows: Int, backend: any Backend) throws {
        let inputs = values.count / rows
        let weight = try backend.makeWeight(format, outputs: rows, inputs: inputs) { range, destination in
            _ = destination.update(from: values[range.lowerBound * inputs..<range.upperBound * inputs])
        }
        let read = try backend.makeMatrix(rows: rows, columns: inputs)
        backend.embed(try backend.makeIndices((0..<Int32(rows)).map { $0 }), table: weight, into: read)
        squareError = Double(
            try zip(backend.download(read), values).reduce(Float(0)) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) })
        bytes = weight.byteCount
    }
}

extension ElementType {
    /// Whether a value is one of at most 32 that its block can hold: rounding it to the 16 of NF4 costs about as much as
    /// that had cost. Six and eight bits leave so little error that NF4's is as good as the only one.
    var hasFewBits: Bool {
        switch self {
        case .q2_K, .q3_K, .iq4_NL, .iq4_XS, .q4_0, .q4_1, .q4_K, .q5_0, .q5_1, .q5_K: true
        default: false
        }
    }
}

extension Checkpoint {
    /// The types of few bits among those of the linear layers, the commonest first; none unless they hold most of the weights.
    var typesOfFewBits: [ElementType] {
        var elements: [ElementType: Int] = [:]
        for layer in 0..<configuration.layerCount {
            for plan in configuration.layers[layer].modules {
                let stored = layout.name(of: .weight(plan.module, layer: layer))
                guard let entry = source.entries[stored] else { continue }
                elements[entry.type, default: 0] += entry.elementCount
            }
        }
        let few = elements.filter(\.key.hasFewBits)
        guard 2 * few.values.reduce(0, +) > elements.values.reduce(0, +) else { return [] }
        return few.sorted { ($1.value, $0.key.rawValue) < ($0.value, $1.key.rawValue) }.map(\.key)
    }
}
