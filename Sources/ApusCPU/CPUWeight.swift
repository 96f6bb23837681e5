package import ApusTensor
package import CKernels

/// A weight as the kernels of one instruction set read it.
///
/// `@unchecked Sendable`: as `Weight`.
package final class CPUWeight: Weight, @unchecked Sendable {
    private let storage: CPUStorage
    private let scales: CPUStorage?
    package var packed: apus_weight
    let panels: Int
    /// How products read rows of inputs.
    package let inputForm: RowForm
    /// How the backward direction reads rows of gradients of outputs.
    let outputForm: RowForm

    /// Reserves a packed weight of zeros.
    ///
    /// - Parameters:
    ///   - group: consecutive inputs that share one scale, in the formats with scales.
    ///   - parts: the packed weight, to be copied, one part a storage in the order of `storages`; nil for zeros.
    init(
        _ format: WeightFormat, outputs: Int, inputs: Int, group: Int, kernels: apus_linear_kernels,
        parts: [SharedPart]? = nil
    ) throws(TensorError) {
        guard format == .f32 || inputs % 2 == 0 else {
            throw TensorError(
                "weight of \(outputs) x \(inputs): wanted an even number of inputs for 4-bit or bf16 storage; use f32")
        }
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
        let bytes = kernels.panel_bytes(stored, Int32(outputs), Int32(inputs)) * panels
        var supply = StorageSupply(parts)
        storage = try supply.next(count: (bytes + 3) / 4)
        let hasScales = stored != APUS_WEIGHT_F32 && stored != APUS_WEIGHT_BF16
        let storedWidth = Int(kernels.stored_width(stored, Int32(outputs)))
        let scaleCount = hasScales ? panels * storedWidth * (inputs / group) : 0
        let scaleBytes = scaleCount * Int(kernels.scale_bytes(stored))
        scales = hasScales ? try supply.next(count: (scaleBytes + 3) / 4) : nil
        try supply.end()
        let rows = kernels.row_format(stored)
        inputForm = RowForm(format: rows, block: rows == APUS_ROWS_FIXED ? group : 2)
        outputForm = RowForm(
            format: rows, block: rows == APUS_ROWS_FIXED ? Int(kernels.backward_block(Int32(outputs))) : 2)
        packed = apus_weight(
            format: stored, outputs: Int32(outputs), inputs: Int32(inputs), group: Int32(group),
            panels: UnsafeMutableRawPointer(storage.base), scales: scales?.base)
        super.init(format, outputs: outputs, inputs: inputs, byteCount: bytes + scaleBytes)
    }

    /// Checks that scales that are held in 16 bits could be.
    ///
    /// - Throws: `TensorError` where one was too large, or not finite.
    func checkScales() throws(TensorError) {
        guard format == .nf4, let scales else { return }
        let areScales = scales.withBytes { bytes in
            bytes.withMemoryRebound(to: UInt16.self) { !$0.contains(UInt16(APUS_NO_SCALE)) }
        }
        guard areScales else {
            throw TensorError(
                "weight of \(outputs) x \(inputs): wanted values below 4,095 for nf4 storage, found a larger one; use int8 "
                    + "or bf16")
        }
    }

    /// All memory that the packed weight lies in, in a fixed order; opaque but for the kernels.
    var storages: [CPUStorage] { [storage] + (scales.map { [$0] } ?? []) }
}

/// Gives a weight its storages: new ones, or parts of a file one after the other.
private struct StorageSupply {
    private var parts: ArraySlice<SharedPart>?

    init(_ parts: [SharedPart]?) { self.parts = parts.map { $0[...] } }

    mutating func next(count: Int) throws(TensorError) -> CPUStorage {
        guard parts != nil else { return try CPUStorage(count: count, isFilled: true) }
        guard let part = parts?.popFirst() else {
            throw TensorError("packed weight: a part is missing; pack it again")
        }
        return try CPUStorage(copying: part, count: count)
    }

    /// Every part must have found its use.
    func end() throws(TensorError) {
        guard parts?.isEmpty ?? true else { throw TensorError("packed weight: it has other parts; pack it again") }
    }
}

extension Weight {
    /// As this backend made it.
    package var cpu: CPUWeight { ownHandle(self) }
}
