import ApusCPU
import ApusModel
import ApusTensor
import ApusTestModels
import Testing

/// The forward and backward pass against transformers + PEFT in fp32, on every instruction set of this machine.
@Suite struct TinyModelTests {
    static let exact = TestDevice.instructionSets.filter { !$0.roundsToBF16(.bf16) }

    @Test(arguments: TinyModel.names, exact)
    func fp32LogProbsAndEntropies(name: String, set: InstructionSet) throws {
        for finding in try tiny(name, .f32, set).scoreFindings(tolerance: 1e-5) {
            #expect(finding.isRight, "\(finding)")
        }
    }

    @Test(arguments: TinyModel.names, exact)
    func fp32Gradients(name: String, set: InstructionSet) throws {
        for finding in try tiny(name, .f32, set).gradientFindings(tolerance: 1e-3) {
            #expect(finding.isRight, "\(finding)")
        }
    }

    @Test(arguments: TinyModel.names, TestDevice.instructionSets)
    func bf16Gradients(name: String, set: InstructionSet) throws {
        for finding in try tiny(name, .bf16, set).gradientFindings(tolerance: 3e-2) {
            #expect(finding.isRight, "\(finding)")
        }
    }

    private func tiny(_ name: String, _ precision: WeightPrecision, _ set: InstructionSet) throws -> TinyModel {
        try TinyModel(name, precision: precision, backend: TestDevice.backend(instructionSet: set, threads: 2))
    }
}
