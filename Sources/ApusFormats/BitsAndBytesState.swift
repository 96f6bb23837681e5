/// The JSON that bitsandbytes keeps beside the codes of a weight, checked.
struct BitsAndBytesState {
    /// How scales that are stored in 8 bits become numbers.
    struct Nested {
        var blockSize: Int
        var offset: Float
    }

    /// `[out, in]`.
    let shape: [Int]
    /// The product of the shape.
    let elementCount: Int
    /// Weights that share a scale.
    let blockSize: Int
    /// The type of the weights before.
    let type: ElementType
    /// nil when scales are stored as they are.
    let nested: Nested?

    static let suffix = ".quant_state.bitsandbytes__nf4"
    static let fp4Suffix = ".quant_state.bitsandbytes__fp4"

    /// Reads the state of the weight `name`.
    init(of name: String, in source: any TensorSource) throws(FormatError) {
        let key = name + Self.suffix
        let isFP4 = source.entries[name + Self.fp4Suffix] != nil
        guard source.entries[key] != nil, !isFP4 else {
            throw FormatError(
                .unsupported, file: source.path,
                "tensor '\(name)': wanted bitsandbytes NF4, found \(isFP4 ? "FP4" : "no quantisation state"); "
                    + Self.advice)
        }
        var reader = JSONReader(try source.readBytes(key))
        do throws(JSONReader.Failure) {
            try self.init(&reader)
        } catch {
            throw FormatError(
                .unsupported, file: source.path,
                "tensor '\(key)' is no state of NF4, at byte \(error.offset): \(error.message); \(Self.advice)")
        }
    }

    private static let advice = "quantise the model again with bitsandbytes' nf4"
    /// Far above any model and any block, and low enough that sizes can be rounded up without overflow.
    private static let elementLimit = 1 << 48
    private static let blockSizes = 2...1 << 16
    private static let types: [String: ElementType] = ["bfloat16": .bf16, "float16": .f16, "float32": .f32]

    private init(_ reader: inout JSONReader) throws(JSONReader.Failure) {
        let stored = try Stored(&reader)
        func failure(_ wanted: String, _ found: String?) -> JSONReader.Failure {
            JSONReader.Failure(offset: 0, message: "wanted \(wanted), found \(found ?? "none")")
        }
        let (kind, dtype, size) = (stored.texts["quant_type"], stored.texts["dtype"], stored.sizes["blocksize"])
        guard kind == "nf4" else { throw failure("quant_type nf4", kind) }
        guard let type = dtype.flatMap({ Self.types[$0] }) else {
            throw failure("dtype bfloat16, float16 or float32", dtype)
        }
        guard let shape = stored.shape, shape.count == 2, !shape.contains(0), let count = checkedProduct(shape),
            count < Self.elementLimit
        else { throw failure("a shape [out, in]", stored.shape.map { "\($0)" }) }
        guard let size, Self.isBlockSize(size) else {
            throw failure("an even blocksize up to 65536", size.map(String.init))
        }
        guard let nested = Self.nested(stored) else {
            let nestedSize = stored.sizes["nested_blocksize"].map(String.init)
            let found = [nestedSize, stored.texts["nested_dtype"], stored.offset]
            throw failure(
                "an even nested_blocksize, nested_dtype float32 and a finite nested_offset",
                found.map { $0 ?? "none" }.joined(separator: ", "))
        }
        (self.shape, elementCount, blockSize, self.type, self.nested) = (shape, count, size, type, nested)
    }

    /// All three keys of double quantisation or none, for without its offset every scale would be wrong; nil is neither.
    private static func nested(_ stored: Stored) -> Nested?? {
        let (size, type) = (stored.sizes["nested_blocksize"], stored.texts["nested_dtype"])
        if size == nil, type == nil, stored.offset == nil { return .some(nil) }
        guard let size, isBlockSize(size), type == "float32", let offset = stored.offset.flatMap(Float.init),
            offset.isFinite
        else { return nil }
        return Nested(blockSize: size, offset: offset)
    }

    private static func isBlockSize(_ size: Int) -> Bool { blockSizes.contains(size) && size % 2 == 0 }
}

/// The members of the document as they are written.
private struct Stored {
    var texts: [String: String] = [:]
    var sizes: [String: Int] = [:]
    var shape: [Int]?
    var offset: String?

    /// Refuses keys that are not known, as bitsandbytes does: what they mean would be lost in silence.
    init(_ reader: inout JSONReader) throws(JSONReader.Failure) {
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch key {
            case "quant_type", "dtype", "nested_dtype": texts[key] = try reader.string()
            case "blocksize", "nested_blocksize": sizes[key] = try SafetensorsHeader.count(&reader)
            case "shape": shape = try SafetensorsHeader.counts(&reader)
            case "nested_offset": offset = try reader.number()
            default: throw JSONReader.Failure(offset: reader.offset, message: "the key '\(key)' is not known")
            }
        }
        try reader.end()
    }
}
