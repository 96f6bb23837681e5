internal import CKernels
internal import Foundation

/// Which family of kernels runs: chosen for the processor, or forced by the environment variable `APUS_ISA`.
public enum InstructionSet: String, CaseIterable, Sendable {
    /// Plain C; every other family is tested against it.
    case portable
    /// x86-64 with AVX2 and FMA.
    case avx2
    /// x86-64 with AVX-512 F, BW, VL and DQ.
    case avx512
    /// AVX-512 with bf16 dot products.
    case avx512bf16
    /// 64-bit ARM: every such processor has NEON.
    case neon
    /// NEON with bf16 dot products.
    case neonBF16 = "neon-bf16"
    /// The bf16 dot-product kernels in plain C: slow, for tests of that path on any machine.
    case emulatedBF16 = "emulated-bf16"

    /// Those that this build and this processor can run.
    public static var available: [InstructionSet] { allCases.filter { apus_kernels_named($0.rawValue) != nil } }

    /// The fastest one of this processor, or the one that `APUS_ISA` names.
    ///
    /// - Throws: `TensorError` when `APUS_ISA` names one that is unknown or cannot run here.
    public static func selected() throws(TensorError) -> InstructionSet {
        guard let name = ProcessInfo.processInfo.environment["APUS_ISA"], !name.isEmpty else {
            guard let best = apus_kernels_named(nil),
                let set = InstructionSet(rawValue: String(cString: best.pointee.name))
            else { return .portable }
            return set
        }
        guard let set = InstructionSet(rawValue: name), available.contains(set) else {
            let names = available.map(\.rawValue).joined(separator: ", ")
            throw TensorError("APUS_ISA: wanted one of \(names), found '\(name)'; unset it to use the best one")
        }
        return set
    }
}
