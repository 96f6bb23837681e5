public import ApusCPU
public import ApusTensor
import ApusTestDevices
import Foundation

/// The device that the suites of model, engine and trainer run on: the CPU, or where `APUS_TEST_DEVICE` says `plain` one
/// whose memory the host cannot see, that computes when it is read, and whose fresh memory is poison.
public enum TestDevice {
    /// Whether it is the plain one.
    public static let isPlain = ProcessInfo.processInfo.environment["APUS_TEST_DEVICE"] == "plain"

    /// Whether it holds rows and operands in fewer bits than fp32.
    public static let rounds = !isPlain

    /// The instruction sets that there is something to test of.
    public static var instructionSets: [InstructionSet] { isPlain ? [.portable] : InstructionSet.available }

    /// A device; the plain one has neither instruction sets nor threads.
    public static func backend(instructionSet: InstructionSet? = nil, threads: Int? = nil) throws -> any Backend {
        isPlain ? PlainBackend() : try CPUBackend(instructionSet: instructionSet, threads: threads)
    }
}
