import ApusFormats
import ApusModel

/// The mixtures of tensor types in which a GGUF model can be written, under llama.cpp's names.
public enum GGUFModelType: String, Sendable, CaseIterable {
    /// Everything in fp32.
    case f32 = "F32"
    /// Matrices in float16.
    case f16 = "F16"
    /// Matrices in bfloat16.
    case bf16 = "BF16"
    /// Matrices in 8 bits.
    case q8_0 = "Q8_0"
    /// Matrices in 4 bits with one scale for 32 weights.
    case q4_0 = "Q4_0"
    /// Matrices in 4 and 6 bits with super-blocks.
    case q4_K_M = "Q4_K_M"

    /// `general.file_type`.
    var fileType: UInt32 {
        switch self {
        case .f32: 0
        case .f16: 1
        case .q4_0: 2
        case .q8_0: 7
        case .q4_K_M: 15
        case .bf16: 32
        }
    }

    /// Whether blocks are written, so that `general.quantization_version` matters.
    var isQuantized: Bool { self == .q8_0 || self == .q4_0 || self == .q4_K_M }

    /// The type of a tensor, as llama.cpp chooses without an importance matrix.
    ///
    /// - Parameters:
    ///   - tensor: a matrix; vectors are always fp32.
    func type(of tensor: ModelTensor, in configuration: ModelConfiguration) -> ElementType {
        guard tensor.shape.count > 1, let width = tensor.shape.last else { return .f32 }
        return preferred(tensor.role, configuration).replaced(forRowsOf: width)
    }

    private func preferred(_ role: TensorRole, _ configuration: ModelConfiguration) -> ElementType {
        let isHead = role == (configuration.tiesEmbeddings ? .embedding : .head)
        switch self {
        case .f32: return .f32
        case .f16: return .f16
        case .bf16: return .bf16
        case .q8_0: return .q8_0
        case .q4_0: return isHead ? .q6_K : .q4_0
        case .q4_K_M:
            if isHead { return configuration.hiddenSize % 256 == 0 ? .q6_K : .q8_0 }
            guard case .weight(let module, let layer) = role else { return .q4_K }
            // llama.cpp takes Q5_K for a matrix that holds values beside others; it is not written here.
            if module == .queryKeyValue { return .q6_K }
            guard module == .value || module == .down else { return .q4_K }
            return Self.deservesMoreBits(layer, of: configuration.layerCount) ? .q6_K : .q4_K
        }
    }

    /// The first and last eighth of the layers, and every third between.
    private static func deservesMoreBits(_ layer: Int, of layers: Int) -> Bool {
        layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2
    }
}

extension ElementType {
    /// What takes a type's place in rows that are no whole number of its blocks.
    fileprivate func replaced(forRowsOf width: Int) -> ElementType {
        if width % blockElements == 0 { return self }
        let smaller: ElementType =
            switch self {
            case .q4_K: .q5_0
            case .q6_K: .q8_0
            default: .f16
            }
        return width % smaller.blockElements == 0 ? smaller : .f16
    }
}
