import ApusCPU
import ApusTensor
import ApusTestDevices
import Testing

/// Every operation of the CPU beside the plain device's, and what a device promises to the bit.
@Suite struct BackendAgreementTests {
    /// How far each way to hold values may be from fp32; a product's operands are rounded to the same number of bits.
    private func tolerance(_ rounding: OperationDifference.Rounding) -> Double {
        switch rounding {
        case .exact, .weight(.f32): 5e-6
        case .pages: 1e-3
        case .weight(.bf16): 1e-2
        case .weight(.half), .weight(.int8), .weight(.nf4): 1e-3
        }
    }

    @Test(arguments: InstructionSet.available) func operationsAgree(set: InstructionSet) throws {
        let cpu = try CPUBackend(instructionSet: set, threads: 2)
        // The sets with bf16 products round their operands to 8 bits whatever the weight is held in.
        let roundsToBF16 = set == .emulatedBF16 || set == .neonBF16
        for difference in try compareOperations(cpu, PlainBackend()) {
            var limit = tolerance(difference.rounding)
            if roundsToBF16, case .weight = difference.rounding { limit = max(limit, 1e-2) }
            #expect(difference.difference <= limit, "\(difference)")
        }
    }

    @Test(arguments: InstructionSet.available) func promisesAreKept(set: InstructionSet) throws {
        #expect(try brokenPromises(of: CPUBackend(instructionSet: set, threads: 2)).isEmpty)
    }

    @Test func thePlainDeviceKeepsItsPromises() throws {
        #expect(try brokenPromises(of: PlainBackend()).isEmpty)
        let differences = try compareOperations(PlainBackend(), PlainBackend())
        #expect(differences.count > 1000 && differences.allSatisfy { $0.difference == 0 })
    }
}
