import CUDAEmulation
import Testing

extension EmulatedCard {
    /// The emulator finds what kernels do wrong: each of these is a right one with one thing missing.
    @Suite struct EmulatorTests {
        static let orders = [CUDA_EMULATION_FORWARD, CUDA_EMULATION_REVERSE, CUDA_EMULATION_RANDOM]

        private func run(
            _ fault: cuda_emulation_fault, _ order: cuda_emulation_order
        ) -> (outcome: cuda_emulation_outcome, report: String) {
            cuda_emulation_reset()
            defer { cuda_emulation_reset() }
            cuda_emulation_set_order(order, 1)
            return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4096) { report in
                // The emulator ends the report with a zero.
                let outcome = cuda_emulation_run_fault(fault, report.baseAddress, report.count)
                return (outcome, report.baseAddress.map { String(cString: $0) } ?? "")
            }
        }

        @Test(
            arguments: [
                (CUDA_EMULATION_WRITE_OUTSIDE, "an address that is not to be touched"),
                (CUDA_EMULATION_READ_OUTSIDE, "an address that is not to be touched"),
                (CUDA_EMULATION_SHARED_WRITE_OUTSIDE, "an address that is not to be touched"),
                (CUDA_EMULATION_DIVERGENT_BARRIER, "threads of a block wait at two barriers"),
                (CUDA_EMULATION_BARRIER_AFTER_EXIT, "a thread has left while others wait at a barrier"),
                (CUDA_EMULATION_DIVERGENT_SHUFFLE, "a deadlock: not every"),
                (CUDA_EMULATION_SHUFFLE_AFTER_EXIT, "has left"),
            ], orders)
        func theProcessEnds(_ fault: (kind: cuda_emulation_fault, reason: String), order: cuda_emulation_order) {
            let (outcome, report) = run(fault.kind, order)
            #expect(outcome == CUDA_EMULATION_ENDED)
            #expect(report.contains(fault.reason), "\(report)")
        }

        @Test(
            arguments: [
                CUDA_EMULATION_MISSING_BARRIER, CUDA_EMULATION_MISSING_COPY_WAIT, CUDA_EMULATION_WRONG_COPY_WAIT,
                CUDA_EMULATION_UNWRITTEN_SHARED_MEMORY,
            ], orders)
        func theResultIsWrong(_ fault: cuda_emulation_fault, order: cuda_emulation_order) {
            let (outcome, report) = run(fault, order)
            #expect(outcome == CUDA_EMULATION_WRONG, "\(report)")
        }

        @Test(arguments: [CUDA_EMULATION_RIGHT_COPY, CUDA_EMULATION_NO_FAULT], orders)
        func withoutAFaultTheResultIsRight(_ kernel: cuda_emulation_fault, order: cuda_emulation_order) {
            let (outcome, report) = run(kernel, order)
            #expect(outcome == CUDA_EMULATION_RIGHT, "\(report)")
        }
    }
}
