public import ApusTensor
internal import CKernels
internal import Foundation

/// Which family of kernels runs: chosen for the processor, or forced by the environment variable `APUS_ISA`.
public enum InstructionSet: String, CaseIterable, Sendable {
    /// Plain C; every other family is tested against it.
    case portable
    /// x86-64 with AVX2 and FMA.
    case avx2
    /// AVX2 with VNNI, which multiplies pairs of integers and adds them: the bits of `avx2`.
    case avxvnni
    /// x86-64 with AVX-512 F, BW, VL and DQ.
    case avx512
    /// AVX-512 with VNNI: the bits of `avx512`.
    case avx512vnni
    /// `avx512vnni` with bf16 dot products for bf16 weights.
    case avx512bf16
    /// 64-bit ARM: every such processor has NEON.
    case neon
    /// NEON with bf16 dot products.
    case neonBF16 = "neon-bf16"
    /// The AVX-512 kernels in plain C: their bits, slowly, for tests of them on any machine.
    case emulatedAVX512 = "emulated-avx512"
    /// The bf16 dot-product kernels in plain C: slow, for tests of that path on any machine.
    case emulatedBF16 = "emulated-bf16"

    /// Whether it is there for tests alone.
    public var isEmulated: Bool { self == .emulatedAVX512 || self == .emulatedBF16 }

    /// Those that this build and this processor can run.
    public static var available: [InstructionSet] { allCases.filter { apus_kernels_named($0.rawValue) != nil } }

    /// The one that the rule of `apus_choose_kernels` gives this processor, and why.
    public static var preferred: (set: InstructionSet, reason: String) {
        var processor = apus_processor_here()
        let choice = apus_choose_kernels(&processor)
        guard let set = InstructionSet(rawValue: String(cString: choice.name)) else {
            preconditionFailure("the rule names kernels that are not listed")
        }
        return (set, String(cString: choice.reason))
    }

    /// The preferred one, or the one that `APUS_ISA` names.
    ///
    /// - Throws: `TensorError` when `APUS_ISA` names one that is unknown or cannot run here.
    public static func selected() throws(TensorError) -> InstructionSet {
        guard let name = ProcessInfo.processInfo.environment["APUS_ISA"], !name.isEmpty else { return preferred.set }
        guard let set = InstructionSet(rawValue: name), available.contains(set) else {
            let names = available.map(\.rawValue).joined(separator: ", ")
            throw TensorError("APUS_ISA: wanted one of \(names), found '\(name)'; unset it to use the best one")
        }
        return set
    }
}
