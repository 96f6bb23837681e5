import ApusFormats
import ApusModel
import ApusText

/// One weight in NF4 as bitsandbytes stores it, in memory until its parts are written.
struct BitsAndBytesParts {
    /// The tensors that make up a weight, in the order in which they are written: those of fp32 first.
    enum Part: String, CaseIterable, Sendable {
        case nestedScales = ".nested_absmax"
        case nestedMap = ".nested_quant_map"
        case map = ".quant_map"
        case scales = ".absmax"
        case state = ".quant_state.bitsandbytes__nf4"
        case codes = ""

        /// The tensor of a weight; nil for a part that only double quantisation has.
        func layout(of weight: ModelTensor, named name: String, doubleQuantization: Bool) -> TensorLayout? {
            let count = weight.shape.reduce(1, *)
            let blocks = (count + NF4.blockSize - 1) / NF4.blockSize
            let name = name + rawValue
            switch self {
            case .nestedScales, .nestedMap:
                guard doubleQuantization else { return nil }
                let size = self == .nestedMap ? 256 : (blocks + nestedBlockSize - 1) / nestedBlockSize
                return TensorLayout(name: name, shape: [size], type: .f32)
            case .map: return TensorLayout(name: name, shape: [16], type: .f32)
            case .scales: return TensorLayout(name: name, shape: [blocks], type: doubleQuantization ? .u8 : .f32)
            case .state:
                let text = stateText(shape: weight.shape, offset: doubleQuantization ? 0 : nil)
                return TensorLayout(name: name, shape: [text.count], type: .u8)
            case .codes: return TensorLayout(name: name, shape: [(count + 1) / 2, 1], type: .u8)
            }
        }
    }

    private static let nestedBlockSize = 256
    private let shape: [Int]
    private let codes: [UInt8]
    private let scales: [Float]
    private let nested: NF4.NestedScales?

    /// Merges and quantises a weight. Nothing is rounded before; one that the file holds in NF4 already and that no adapter
    /// changes keeps its codes and scales.
    init(_ tensor: MergedTensor, plan: BitsAndBytesPlan, through pipeline: TensorPipeline) throws {
        shape = tensor.shape
        defer { tensor.checkpoint.finish(tensor.role) }
        if tensor.update == nil, let stored = try tensor.checkpoint.quantized(tensor.role),
            stored.blockSize == NF4.blockSize, stored.map == NF4.table
        {
            (codes, scales) = (stored.codes, stored.absmax)
        } else {
            var codes: [UInt8] = []
            var scales: [Float] = []
            codes.reserveCapacity((tensor.rowCount * tensor.width + 1) / 2)
            // Pieces are multiples of 64 rows, so that every one begins with a block.
            try pipeline.run(TensorPipeline.pieces(rows: tensor.rowCount, width: tensor.width)) { range in
                NF4.quantize(try tensor.rows(range))
            } consume: { piece in
                codes += piece.codes
                scales += piece.absmax
            }
            (self.codes, self.scales) = (codes, scales)
        }
        nested = plan.doubleQuantization ? NF4.NestedScales(quantizing: scales, blockSize: Self.nestedBlockSize) : nil
    }

    /// The bytes of a part.
    func bytes(of part: Part) -> [UInt8] {
        switch part {
        case .nestedScales: ElementType.f32.encode(nested?.absmax ?? [])
        case .nestedMap: ElementType.f32.encode(nested?.map ?? [])
        case .map: ElementType.f32.encode(NF4.table)
        case .scales: nested?.codes ?? ElementType.f32.encode(scales)
        case .state: Self.stateText(shape: shape, offset: nested?.offset)
        case .codes: codes
        }
    }

    /// The JSON beside the codes, padded with spaces to a length that does not depend on the offset: the header of the file
    /// is written before the offset is known.
    private static func stateText(shape: [Int], offset: Float?) -> [UInt8] {
        var members: [JSONValue.Member] = []
        members.set("quant_type", "nf4")
        members.set("blocksize", .integer(NF4.blockSize))
        members.set("dtype", "bfloat16")
        members.set("shape", .array(shape.map { .integer($0) }))
        if let offset {
            members.set("nested_blocksize", .integer(nestedBlockSize))
            members.set("nested_dtype", "float32")
            members.set("nested_offset", .number(Double(offset)))
        }
        let longestNumber = 24
        var text = Array(JSONWriter().write(JSONValue.object(members)).utf8)
        members.removeAll { $0.key == "nested_offset" }
        let rest = JSONWriter().write(JSONValue.object(members)).utf8.count
        let length = offset == nil ? rest : rest + #", "nested_offset": "#.utf8.count + longestNumber
        text += [UInt8](repeating: UInt8(ascii: " "), count: (length + 7) / 8 * 8 - text.count)
        return text
    }
}
