/// How the values of a frozen weight are stored.
public enum WeightFormat: Sendable, CaseIterable {
    /// fp32: the reference, and the adapters.
    case f32
    /// bf16 values.
    case bf16
    /// 16 bits a value in the form whose products are fastest on the device: bf16 where it has bf16 dot products,
    /// elsewhere integers of 13 bits with one fp32 scale per block of 64 inputs.
    case half
    /// Integers of 8 bits with one fp32 scale per block of 32 inputs: what GGUF's Q8_0, Q5_0 and Q4_0 hold, exactly.
    case int8
    /// Four bits a value with one fp32 scale per block of inputs (QLoRA's NormalFloat4).
    case nf4
}

/// A weight matrix, [outputs][inputs], packed for the kernels of the backend that made it. Both directions read the same copy.
///
/// `@unchecked Sendable`: written while it is made (or repacked, by its one owner between steps), read-only otherwise.
open class Weight: @unchecked Sendable {
    /// Rows of the matrix: width of y in y = x Wᵀ.
    public let outputs: Int
    /// Columns of the matrix: width of x.
    public let inputs: Int
    /// The stored form.
    public let format: WeightFormat
    /// Bytes held.
    public let byteCount: Int

    /// For backends.
    public init(_ format: WeightFormat, outputs: Int, inputs: Int, byteCount: Int) {
        self.format = format
        self.outputs = outputs
        self.inputs = inputs
        self.byteCount = byteCount
    }
}

/// A matrix in NF4 as bitsandbytes stores it: codes of the flattened matrix, two to a byte, the first in the upper half, and
/// one scale for each block of 64 of them.
public struct NF4Matrix: Sendable {
    /// ⌈outputs · inputs / 2⌉ bytes.
    public let codes: [UInt8]
    /// ⌈outputs · inputs / 64⌉ scales.
    public let scales: [Float]
    /// Rows of the matrix.
    public let outputs: Int
    /// Columns of the matrix.
    public let inputs: Int

    /// Codes and scales of one matrix.
    public init(codes: [UInt8], scales: [Float], outputs: Int, inputs: Int) {
        let count = outputs * inputs
        precondition(codes.count == (count + 1) / 2 && scales.count == (count + 63) / 64, "sizes disagree")
        self.codes = codes
        self.scales = scales
        self.outputs = outputs
        self.inputs = inputs
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

/// An adapter matrix that is to be filled from fp32 values.
public struct Repacking: Sendable {
    /// What is filled.
    public let weight: Weight
    /// [outputs][inputs].
    public let values: Matrix
    /// What the values are multiplied by.
    public let scale: Float

    /// Values for a matrix.
    public init(_ weight: Weight, from values: Matrix, scale: Float = 1) {
        precondition(values.rows == weight.outputs && values.columns == weight.inputs, "shapes differ")
        self.weight = weight
        self.values = values
        self.scale = scale
    }
}
