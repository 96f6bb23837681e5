import Foundation

/// A Linear's weight that bitsandbytes stored in NF4, with its scales as plain fp32.
///
/// The file holds `X.weight` (packed codes), `.absmax`, `.quant_map`, for double quantisation `.nested_absmax` and
/// `.nested_quant_map`, and a JSON text in `.quant_state.bitsandbytes__nf4`.
public struct BitsAndBytesTensor: Sendable {
    /// The name of the weight, such as `model.layers.0.self_attn.q_proj.weight`.
    public let name: String
    /// The logical shape, `[out, in]`.
    public let shape: [Int]
    /// Two codes a byte over the row-major flattened matrix, the earlier one in the high nibble.
    public let codes: [UInt8]
    /// One fp32 scale for each `blockSize` consecutive weights.
    public let absmax: [Float]
    /// The value of each of the 16 codes.
    public let map: [Float]
    /// Weights that share a scale.
    public let blockSize: Int
    /// The type that the weights had before, to which bitsandbytes rounds when it dequantises.
    public let type: ElementType

    /// Whether `source` holds the weight `name` in a bitsandbytes 4-bit form.
    public static func isQuantized(_ name: String, in source: any TensorSource) -> Bool {
        source.entries[name + stateSuffix] != nil || source.entries[name + fp4Suffix] != nil
    }

    /// The logical shape of a quantised weight, without reading its codes.
    ///
    /// - Throws: `FormatError` when the quantisation state is damaged or of another kind.
    public static func shape(of name: String, in source: any TensorSource) throws(FormatError) -> [Int] {
        try QuantizationState(of: name, in: source).shape
    }

    /// Reads a quantised weight and restores its scales.
    ///
    /// - Throws: `FormatError`: `missing` when a part is absent, `unsupported` for another kind than NF4, `mismatch`
    ///   when sizes disagree.
    public init(_ name: String, in source: any TensorSource) throws(FormatError) {
        let state = try QuantizationState(of: name, in: source)
        self.name = name
        shape = state.shape
        blockSize = state.blockSize
        type = state.type
        codes = try source.readBytes(name)
        map = try Self.floats(name + ".quant_map", in: source)
        let blocks = (state.elementCount + state.blockSize - 1) / state.blockSize
        try Self.check(codes.count, (state.elementCount + 1) / 2, "bytes of codes", name, source)
        try Self.check(map.count, 16, "entries in quant_map", name, source)
        if let nested = state.nested {
            absmax = try Self.nestedScales(nested, of: name, blocks: blocks, in: source)
        } else {
            absmax = try Self.floats(name + ".absmax", in: source)
        }
        try Self.check(absmax.count, blocks, "scales in absmax", name, source)
        try checkNumbers(in: source)
    }

    /// Codes mean what they mean only by NF4's own table, and one scale that is not finite spoils a block in silence.
    private func checkNumbers(in source: any TensorSource) throws(FormatError) {
        if let index = map.indices.first(where: { abs(map[$0] - NF4.table[$0]) > 1e-6 || map[$0].isNaN }) {
            throw FormatError(
                .unsupported, file: source.path,
                "tensor '\(name).quant_map': wanted NF4's table, found \(map[index]) in place of \(NF4.table[index]); "
                    + "quantise the model again with bitsandbytes' nf4")
        }
        let faults = absmax.count { !$0.isFinite }
        guard faults == 0 else {
            throw FormatError(
                .malformed, file: source.path,
                "tensor '\(name).absmax': \(faults) of \(absmax.count) scales are NaN or infinite; the model is damaged"
            )
        }
    }

    /// Dequantises rows of the matrix.
    ///
    /// - Parameters:
    ///   - rows: Rows within `0..<shape[0]`.
    ///   - rounded: Whether to round to `type` as bitsandbytes does; otherwise the exact fp32 product.
    ///   - destination: Room for `rows.count` times the row length.
    public func read(rows: Range<Int>, rounded: Bool = true, into destination: UnsafeMutableBufferPointer<Float>) {
        let width = shape.dropFirst().reduce(1, *)
        precondition(rows.lowerBound >= 0 && rows.upperBound <= shape.first ?? 1, "rows \(rows) of \(shape)")
        NF4.dequantize(
            codes: codes, absmax: absmax, elements: rows.lowerBound * width..<rows.upperBound * width,
            blockSize: blockSize, table: map, into: destination
        )
        guard rounded else { return }
        switch type {
        case .bf16: for i in destination.indices { destination[i] = destination[i].roundedToBFloat16 }
        case .f16: for i in destination.indices { destination[i] = Float(Float16(destination[i])) }
        default: break
        }
    }

    private static let stateSuffix = ".quant_state.bitsandbytes__nf4"
    private static let fp4Suffix = ".quant_state.bitsandbytes__fp4"

    private static func nestedScales(
        _ nested: QuantizationState.Nested, of name: String, blocks: Int, in source: any TensorSource
    ) throws(FormatError) -> [Float] {
        let codes = try source.readBytes(name + ".absmax")
        let absmax = try floats(name + ".nested_absmax", in: source)
        let map = try floats(name + ".nested_quant_map", in: source)
        try check(codes.count, blocks, "bytes in absmax", name, source)
        try check(
            absmax.count, (blocks + nested.blockSize - 1) / nested.blockSize, "scales in nested_absmax", name, source)
        try check(map.count, 256, "entries in nested_quant_map", name, source)
        return NF4.NestedScales(
            codes: codes, absmax: absmax, offset: nested.offset, map: map, blockSize: nested.blockSize
        ).dequantized()
    }

    private static func floats(_ name: String, in source: any TensorSource) throws(FormatError) -> [Float] {
        let found = try source.entry(name).type
        guard found == .f32 else {
            throw FormatError(.mismatch, file: source.path, "tensor '\(name)': wanted F32, found \(found.rawValue)")
        }
        return try source.readFloats(name)
    }

    private static func check(
        _ found: Int, _ wanted: Int, _ what: String, _ name: String, _ source: any TensorSource
    ) throws(FormatError) {
        guard found == wanted else {
            throw FormatError(
                .mismatch, file: source.path, "tensor '\(name)': wanted \(wanted) \(what), found \(found)")
        }
    }
}

/// The JSON that bitsandbytes keeps beside the codes.
private struct QuantizationState {
    struct Nested {
        var blockSize: Int
        var offset: Float
    }

    /// Far above any model and any block, and low enough that sizes can be rounded up without overflow.
    private static let elementLimit = 1 << 48
    private static let blockSizes = 2...1 << 16

    let shape: [Int]
    let blockSize: Int
    let type: ElementType
    let nested: Nested?
    let elementCount: Int

    init(of name: String, in source: any TensorSource) throws(FormatError) {
        let key = name + ".quant_state.bitsandbytes__nf4"
        guard source.entries[key] != nil else {
            let found = source.entries[name + ".quant_state.bitsandbytes__fp4"] == nil ? "no quantisation state" : "FP4"
            throw FormatError(
                .unsupported, file: source.path, "tensor '\(name)': wanted bitsandbytes NF4, found \(found)")
        }
        let text = Data(try source.readBytes(key))
        let stored: Stored
        do {
            stored = try JSONDecoder().decode(Stored.self, from: text)
        } catch {
            throw FormatError(.malformed, file: source.path, "tensor '\(key)' is not a bitsandbytes quantisation state")
        }
        let types: [String: ElementType] = ["bfloat16": .bf16, "float16": .f16, "float32": .f32]
        guard stored.quantType == "nf4", let type = types[stored.dtype],
            !stored.shape.isEmpty, stored.shape.allSatisfy({ $0 > 0 }), let count = checkedProduct(stored.shape),
            count < Self.elementLimit, Self.blockSizes.contains(stored.blockSize), stored.blockSize % 2 == 0,
            Self.blockSizes.contains(stored.nestedBlockSize ?? 256)
        else {
            let message =
                "tensor '\(key)': type \(stored.quantType), dtype \(stored.dtype), shape \(stored.shape), "
                + "block size \(stored.blockSize) is not a supported NF4 state"
            throw FormatError(.unsupported, file: source.path, message)
        }
        shape = stored.shape
        blockSize = stored.blockSize
        self.type = type
        elementCount = count
        nested = stored.nestedBlockSize.map { Nested(blockSize: $0, offset: stored.nestedOffset ?? 0) }
    }

    private struct Stored: Decodable {
        var quantType: String
        var blockSize: Int
        var dtype: String
        var shape: [Int]
        var nestedBlockSize: Int?
        var nestedOffset: Float?

        enum CodingKeys: String, CodingKey {
            case quantType = "quant_type"
            case blockSize = "blocksize"
            case dtype, shape
            case nestedBlockSize = "nested_blocksize"
            case nestedOffset = "nested_offset"
        }
    }
}
