import ApusTensor
import CCUDA
import CUDAEmulation
import Testing

@testable import ApusCUDA

/// There is one emulated card in a process, and tests reset it: they run one after another.
@Suite(.serialized) enum EmulatedCard {
    /// An emulated card takes any image: it has the kernels by their names.
    static func card() throws -> CUDABackend {
        guard let functions = cuda_emulated_driver() else { throw TensorError("no emulated driver") }
        return try withUnsafeBytes(of: 0) { bytes in
            try CUDABackend(functions.pointee, image: #require(bytes.baseAddress))
        }
    }
}
