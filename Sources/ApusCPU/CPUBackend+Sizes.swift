public import ApusTensor
internal import CKernels

/// What things would take in memory, by the very types that hold them: they reserve addresses, which costs nothing until
/// it is written.
extension CPUBackend {
    /// See `Backend`. That of the process's control group or of the machine, the smaller one.
    public var memoryLimit: Int { ProcessMemory.limit() }

    /// See `Backend`.
    public var isProcessMemory: Bool { true }

    /// See `Backend`.
    public func spareMemory(utilization: Double) -> Int { ProcessMemory.spare(utilization: utilization) }

    /// Bytes of a frozen weight as it is packed for this processor, with scales and padding.
    ///
    /// - Throws: `TensorError` for a shape that the format cannot hold.
    public func byteCount(_ format: WeightFormat, outputs: Int, inputs: Int) throws -> Int {
        try CPUWeight(
            format, outputs: outputs, inputs: inputs, group: Self.scaleGroup(inputs, format), kernels: kernels.linear
        ).byteCount
    }

    /// Bytes of an adapter matrix in the form that the kernels read, beside weights of a format.
    ///
    /// - Throws: `TensorError` for a shape that the format cannot hold.
    public func adapterByteCount(outputs: Int, inputs: Int, beside base: WeightFormat) throws -> Int {
        try makeAdapterWeight(outputs: outputs, inputs: inputs, beside: base).byteCount
    }

    /// Bytes that the threads work in: for products, for attention over the longest sequence, for the logits of a token, and
    /// for rows on their way through the head.
    public func scratchBytes(
        _ shape: KeyValueCache.Shape, maxContext: Int, vocabularySize: Int, hiddenSize: Int
    ) -> Int {
        let floats = max(
            Int(kernels.linear.scratch_floats), attentionScratch(shape, maxContext: maxContext),
            Self.samplingScratch(vocabularySize))
        return pool.threads * (floats * MemoryLayout<Float>.stride + Self.headBytes(hiddenSize: hiddenSize))
    }
}

extension KeyValueCache.Shape {
    /// Bytes of one page over all layers, as this backend lays it out.
    package var pageBytes: Int { layers * layerFloats * MemoryLayout<Float>.stride }
}
