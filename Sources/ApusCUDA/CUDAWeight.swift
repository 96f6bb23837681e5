internal import ApusTensor
internal import CCUDA

/// How a weight is held; as `Kind` in weights.cuh.
enum WeightKind: Int {
    case f32, bf16, int8, nf4

    /// Rows that are not whole groups of 32, or blocks of 64, are held as bf16 of the same values.
    init(_ format: WeightFormat, inputs: Int) {
        self =
            switch format {
            case .f32: .f32
            case .bf16, .half: .bf16
            case .int8: inputs % 32 == 0 ? .int8 : .bf16
            case .nf4: inputs % 64 == 0 ? .nf4 : .bf16
            }
    }

    /// The last part of the names of kernels.
    var name: String { ["f32", "bf16", "int8", "nf4"][rawValue] }

    /// Inputs of a chunk, and its bytes; nil for fp32, whose rows follow one another.
    var chunk: (inputs: Int, bytes: Int)? {
        switch self {
        case .f32: nil
        case .bf16: (16, 512)
        case .int8: (32, 576)
        case .nf4: (64, 576)
        }
    }

    /// Outputs of a chunk.
    static let chunkOutputs = 16

    func byteCount(outputs: Int, inputs: Int) -> Int {
        guard let chunk else { return 4 * outputs * inputs }
        let rows = (outputs + Self.chunkOutputs - 1) / Self.chunkOutputs
        return rows * ((inputs + chunk.inputs - 1) / chunk.inputs) * chunk.bytes
    }
}

/// A weight on the card.
///
/// `@unchecked Sendable`: as `Weight`.
final class CUDAWeight: Weight, @unchecked Sendable {
    let kind: WeightKind
    private let storage: CUDAStorage
    /// Inputs that are summed from zero, a multiple of 64: each such leaf can be computed by itself.
    let leafInputs: Int

    var address: CUdeviceptr { storage.address }
    var leaves: Int { max(1, (inputs + leafInputs - 1) / leafInputs) }

    init(_ format: WeightFormat, outputs: Int, inputs: Int, in memory: DeviceMemory) throws(TensorError) {
        kind = WeightKind(format, inputs: inputs)
        let bytes = kind.byteCount(outputs: outputs, inputs: inputs)
        storage = try CUDAStorage(count: (bytes + 3) / 4, for: .weights, in: memory)
        leafInputs = Self.leafInputs(outputs: outputs, inputs: inputs)
        super.init(format, outputs: outputs, inputs: inputs, byteCount: bytes)
    }

    /// The shape alone decides, for the order of a sum depends on it: leaves give every warp of a large card 32 outputs of
    /// one of them, where there are enough inputs.
    static func leafInputs(outputs: Int, inputs: Int) -> Int {
        let (warps, mostLeaves, leastInputs) = (768, 16, 256)
        var leaves = 1
        while leaves < mostLeaves, leaves * ((outputs + 31) / 32) < warps, inputs / (2 * leaves) >= leastInputs {
            leaves *= 2
        }
        return max(1, ((inputs + leaves - 1) / leaves + 63) / 64) * 64
    }

    /// - Throws: `TensorError` for a shape that the format cannot hold.
    static func byteCount(_ format: WeightFormat, outputs: Int, inputs: Int) throws(TensorError) -> Int {
        guard format == .f32 || inputs % 2 == 0 else {
            throw TensorError(
                "weight of \(outputs) x \(inputs): wanted an even number of inputs for 4-bit or bf16 storage; use f32")
        }
        return WeightKind(format, inputs: inputs).byteCount(outputs: outputs, inputs: inputs)
    }
}
