import ApusTensor
import ApusTestDevices
import ApusTestModels
import CCUDA
import CUDAEmulation
import Testing

@testable import ApusCUDA

extension EmulatedCard {
    /// The CUDA backend on the emulated card, beside the plain device: every operation, and what a device promises to the bit.
    @Suite struct AgreementTests {
        /// Operands of tensor cores, and what pages hold, are rounded to bf16.
        private func tolerance(_ rounding: OperationDifference.Rounding) -> Double {
            switch rounding {
            case .exact, .weight(.f32): 1e-5
            default: 2e-2
            }
        }

        @Test(arguments: [CUDA_EMULATION_FORWARD, CUDA_EMULATION_REVERSE])
        func operationsAgree(order: cuda_emulation_order) throws {
            cuda_emulation_reset()
            cuda_emulation_set_order(order, 0)
            let backend = try TestDevice.emulatedCard()
            for difference in try compareOperations(backend, PlainBackend()) {
                #expect(difference.difference <= tolerance(difference.rounding), "\(difference)")
            }
        }

        @Test func promisesAreKept() throws {
            #expect(try brokenPromises(of: TestDevice.emulatedCard()).isEmpty)
        }
    }
}
