public import ApusCPU
package import ApusCUDA
public import ApusTensor
import ApusTestDevices
import CUDAEmulation
import Foundation

/// The device that the suites of model, engine and trainer run on: the CPU, or what `APUS_TEST_DEVICE` says: `plain`, whose
/// memory the host cannot see, that computes when it is read, and whose fresh memory is poison; or `cuda`, the backend of NVIDIA's
/// cards on an emulated one, `cuda-alone` without cuBLASLt.
public enum TestDevice: String, Sendable {
    case cpu, plain, cuda
    case cudaAlone = "cuda-alone"

    /// The one that this process tests.
    public static let current =
        ProcessInfo.processInfo.environment["APUS_TEST_DEVICE"].flatMap(TestDevice.init) ?? .cpu

    /// Whether rows and operands are held in fewer bits than fp32.
    public static let rounds = current != .plain

    /// Whether the number of rows that a call has shows in the last bits of gradients; see `Backend`.
    public static let gradientsDependOnShapes = current == .cuda

    /// The instruction sets that there is something to test of.
    public static var instructionSets: [InstructionSet] { current == .cpu ? InstructionSet.available : [.portable] }

    /// A device; others than the CPU have neither instruction sets nor threads.
    public static func backend(instructionSet: InstructionSet? = nil, threads: Int? = nil) throws -> any Backend {
        switch current {
        case .cpu: try CPUBackend(instructionSet: instructionSet, threads: threads)
        case .plain: PlainBackend()
        case .cuda: try emulatedCard()
        case .cudaAlone: try emulatedCard(hasBlas: false)
        }
    }

    /// The backend of NVIDIA's cards on an emulated one, which has the kernels by their names whatever the image.
    ///
    /// - Parameters:
    ///   - utilization: the share of the card's memory that it may take, of 8 GiB unless a test sets the size.
    ///   - hasBlas: whether there is a cuBLASLt.
    ///   - productLimits: what it computes; all gradients that it can, in small pieces, unless given.
    package static func emulatedCard(
        utilization: Double = 0.9, hasBlas: Bool = true, productLimits: ProductLimits = smallLimits
    ) throws -> CUDABackend {
        guard let functions = cuda_emulated_driver() else { throw TensorError("no emulated driver") }
        return try withUnsafeBytes(of: 0) { bytes in
            guard let image = bytes.baseAddress else { preconditionFailure("not empty") }
            return try CUDABackend(
                functions.pointee, image: image, utilization: utilization,
                blas: hasBlas ? cuda_emulated_blas()?.pointee : nil, productLimits: productLimits)
        }
    }

    /// Limits under which the products of small models go through the library, and are cut.
    package static var smallLimits: ProductLimits {
        var limits = ProductLimits()
        limits.leastRows = 1
        (limits.rowBytes, limits.weightBytes, limits.workspaceBytes) = (96 << 10, 48 << 10, 64 << 10)
        return limits
    }
}
