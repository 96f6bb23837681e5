internal import CKernels
internal import Foundation

/// How the values of a frozen weight are stored.
public enum WeightFormat: Sendable {
    /// fp32: the reference, and the adapters.
    case f32
    /// bf16 values.
    case bf16
    /// 16 bits a value in the form whose products are fastest on this processor: bf16 where it has bf16 dot products,
    /// elsewhere integers of 13 bits with one fp32 scale per block of 64 inputs.
    case half
    /// Integers of 8 bits with one fp32 scale per block of 32 inputs: what GGUF's Q8_0, Q5_0 and Q4_0 hold, exactly.
    case int8
    /// Four bits a value with one fp32 scale per block of inputs (QLoRA's NormalFloat4).
    case nf4
}

/// A weight matrix, [outputs][inputs], packed for the kernels that read it. Both directions read the same copy.
///
/// `@unchecked Sendable`: written while it is made (or repacked, by its one owner between steps), read-only otherwise.
public final class Weight: @unchecked Sendable {
    /// Rows of the matrix: width of y in y = x Wᵀ.
    public let outputs: Int
    /// Columns of the matrix: width of x.
    public let inputs: Int
    /// The stored form.
    public let format: WeightFormat
    /// Bytes held.
    public let byteCount: Int
    private let storage: Storage
    private let scales: Storage?
    var packed: apus_weight
    let panels: Int
    /// How products read rows of inputs.
    let inputForm: RowForm
    /// How the backward direction reads rows of gradients of outputs.
    let outputForm: RowForm

    /// Reserves a packed weight of zeros.
    ///
    /// - Parameters:
    ///   - group: consecutive inputs that share one scale, in the formats with scales.
    ///   - parts: where the packed weight lies already, one part a storage in the order of `storages`; nil for new memory.
    init(
        _ format: WeightFormat, outputs: Int, inputs: Int, group: Int, kernels: apus_linear_kernels,
        parts: [SharedPart]? = nil
    ) throws(TensorError) {
        guard format == .f32 || inputs % 2 == 0 else {
            throw TensorError(
                "weight of \(outputs) x \(inputs): wanted an even number of inputs for 4-bit or bf16 storage; use f32")
        }
        self.outputs = outputs
        self.inputs = inputs
        self.format = format
        let stored =
            switch format {
            case .f32: APUS_WEIGHT_F32
            case .bf16: APUS_WEIGHT_BF16
            case .half: kernels.half_format
            case .int8: APUS_WEIGHT_INT8
            case .nf4: APUS_WEIGHT_NF4
            }
        let width = Int(kernels.panel_width)
        panels = (outputs + width - 1) / width
        let bytes = kernels.panel_bytes(stored, Int32(inputs)) * panels
        var supply = StorageSupply(parts)
        storage = try supply.next(count: (bytes + 3) / 4)
        let hasScales = stored != APUS_WEIGHT_F32 && stored != APUS_WEIGHT_BF16
        let scaleCount = hasScales ? panels * width * (inputs / group) : 0
        scales = hasScales ? try supply.next(count: scaleCount) : nil
        try supply.end()
        byteCount = bytes + scaleCount * 4
        let rows = kernels.row_format(stored)
        inputForm = RowForm(format: rows, block: rows == APUS_ROWS_FIXED ? group : 2)
        outputForm = RowForm(
            format: rows, block: rows == APUS_ROWS_FIXED ? Int(kernels.backward_block(Int32(outputs))) : 2)
        packed = apus_weight(
            format: stored, outputs: Int32(outputs), inputs: Int32(inputs), group: Int32(group),
            panels: UnsafeMutableRawPointer(storage.base), scales: scales?.base)
    }
}

extension Weight {
    /// All memory that the packed weight lies in, in a fixed order; opaque but for the kernels.
    package var storages: [Storage] { [storage] + (scales.map { [$0] } ?? []) }
}

/// Gives a weight its storages: new ones, or parts of a file one after the other.
private struct StorageSupply {
    private var parts: ArraySlice<SharedPart>?

    init(_ parts: [SharedPart]?) { self.parts = parts.map { $0[...] } }

    mutating func next(count: Int) throws(TensorError) -> Storage {
        guard parts != nil else { return try Storage(count: count, isFilled: true) }
        guard let part = parts?.popFirst() else {
            throw TensorError("packed weight: a part is missing; pack it again")
        }
        return try Storage(part, count: count)
    }

    /// Every part must have found its use.
    func end() throws(TensorError) {
        guard parts?.isEmpty ?? true else { throw TensorError("packed weight: it has other parts; pack it again") }
    }
}

/// An adapter's pair of small matrices beside a weight: y += (x Aᵀ) Bᵀ with the scale folded into B.
public struct LowRank: Sendable {
    /// A, [rank][inputs].
    public let a: Weight
    /// scale · B, [outputs][rank].
    public let b: Weight

    /// Pairs the two matrices.
    public init(a: Weight, b: Weight) {
        precondition(a.outputs == b.inputs, "ranks differ")
        self.a = a
        self.b = b
    }

    /// The rank.
    public var rank: Int { a.outputs }
}
