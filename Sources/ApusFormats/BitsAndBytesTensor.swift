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
        source.entries[name + BitsAndBytesState.suffix] != nil
            || source.entries[name + BitsAndBytesState.fp4Suffix] != nil
    }

    /// The logical shape of a quantised weight, without reading its codes.
    ///
    /// - Throws: `FormatError` when the quantisation state is damaged or of another kind.
    public static func shape(of name: String, in source: any TensorSource) throws(FormatError) -> [Int] {
        try BitsAndBytesState(of: name, in: source).shape
    }

    /// Reads a quantised weight and restores its scales.
    ///
    /// - Throws: `FormatError`: `missing` when a part is absent, `unsupported` for another kind than NF4, `mismatch`
    ///   when sizes disagree.
    public init(_ name: String, in source: any TensorSource) throws(FormatError) {
        let state = try BitsAndBytesState(of: name, in: source)
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
            absmax = try Self.scales(name + ".absmax", in: source)
        }
        try Self.check(absmax.count, blocks, "scales in absmax", name, source)
        try checkMap(in: source)
    }

    /// Codes mean what they mean only by NF4's own table: its kernels know no other.
    private func checkMap(in source: any TensorSource) throws(FormatError) {
        if let index = map.indices.first(where: { abs(map[$0] - NF4.table[$0]) > 1e-6 || map[$0].isNaN }) {
            throw FormatError(
                .unsupported, file: source.path,
                "tensor '\(name).quant_map': wanted NF4's table, found \(map[index]) in place of \(NF4.table[index]); "
                    + "quantise the model again with bitsandbytes' nf4")
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

    private static func nestedScales(
        _ nested: BitsAndBytesState.Nested, of name: String, blocks: Int, in source: any TensorSource
    ) throws(FormatError) -> [Float] {
        try check(name + ".absmax", is: .u8, in: source)
        let codes = try source.readBytes(name + ".absmax")
        let absmax = try scales(name + ".nested_absmax", in: source)
        let map = try floats(name + ".nested_quant_map", in: source)
        try check(codes.count, blocks, "bytes in absmax", name, source)
        try check(
            absmax.count, (blocks + nested.blockSize - 1) / nested.blockSize, "scales in nested_absmax", name, source)
        try check(map.count, 256, "entries in nested_quant_map", name, source)
        let restored = NF4.NestedScales(
            codes: codes, absmax: absmax, offset: nested.offset, map: map, blockSize: nested.blockSize
        ).dequantized()
        // What 8 bits leave of a scale near zero may lie just below it; bitsandbytes takes it as it comes.
        try check(restored, name + ".absmax", "NaN or infinite", source) { !$0.isFinite }
        return restored
    }

    /// Largest magnitudes: one that is not finite spoils a block in silence, and none is negative.
    private static func scales(_ name: String, in source: any TensorSource) throws(FormatError) -> [Float] {
        let values = try floats(name, in: source)
        try check(values, name, "negative, NaN or infinite", source) { !$0.isFinite || $0 < 0 }
        return values
    }

    private static func floats(_ name: String, in source: any TensorSource) throws(FormatError) -> [Float] {
        try check(name, is: .f32, in: source)
        return try source.readFloats(name)
    }

    private static func check(_ name: String, is wanted: ElementType, in source: any TensorSource) throws(FormatError) {
        let found = try source.entry(name).type
        guard found == wanted else {
            throw FormatError(
                .mismatch, file: source.path,
                "tensor '\(name)': wanted \(wanted.rawValue), found \(found.rawValue); the model is damaged")
        }
    }

    private static func check(
        _ scales: [Float], _ name: String, _ what: String, _ source: any TensorSource, isFault: (Float) -> Bool
    ) throws(FormatError) {
        let faults = scales.count(where: isFault)
        guard faults == 0 else {
            throw FormatError(
                .malformed, file: source.path,
                "tensor '\(name)': \(faults) of \(scales.count) scales are \(what); the model is damaged")
        }
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
