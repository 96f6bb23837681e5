import ApusTensor
import ApusTestDevices
import ApusTestModels
import CCUDA
import CUDAEmulation
import Testing

@testable import ApusCUDA

extension EmulatedCard {
    /// The CUDA backend on the emulated card, with and without cuBLASLt, beside the plain device: every operation, and what a
    /// device promises to the bit.
    @Suite struct AgreementTests {
        @Test func operationsAgree() throws {
            cuda_emulation_reset()
            for (order, hasBlas) in [(CUDA_EMULATION_FORWARD, true), (CUDA_EMULATION_REVERSE, false)] {
                cuda_emulation_set_order(order, 0)
                let backend = try TestDevice.emulatedCard(hasBlas: hasBlas)
                for difference in try compareOperations(backend, PlainBackend()) {
                    #expect(
                        difference.difference <= difference.cardTolerance, "\(difference), \(backend.products)")
                }
            }
        }

        @Test(arguments: [true, false]) func promisesAreKept(hasBlas: Bool) throws {
            cuda_emulation_reset()
            let backend = try TestDevice.emulatedCard(hasBlas: hasBlas)
            #expect(try brokenPromises(of: backend, gradientsDependOnShapes: hasBlas).isEmpty)
        }

        /// The library's order of summation depends on the shapes: were the promise made, it would be broken.
        @Test func theLibraryIsSeenInTheLastBits() throws {
            cuda_emulation_reset()
            let broken = try brokenPromises(of: TestDevice.emulatedCard())
            let products = ["linear for gradients", "linearBackward", "scoreBackward"]
            let formats = WeightFormat.allCases.filter { $0 != .f32 }
            #expect(Set(broken) == Set(formats.flatMap { format in products.map { "\($0), \(format): a row alone" } }))
        }
    }
}
