import ApusCPU
import ApusTensor
import ApusTestModels
import Testing

@testable import ApusModel

/// The forward and backward pass against transformers + PEFT in fp32, on every instruction set of this machine.
@Suite struct TinyModelTests {
    static let exact = TestDevice.instructionSets.filter { !$0.roundsToBF16(.bf16) }

    @Test(arguments: TinyModel.names, exact)
    func fp32LogProbsAndEntropies(name: String, set: InstructionSet) throws {
        let tiny = try TinyModel(name, precision: .f32, backend: TestDevice.backend(instructionSet: set, threads: 2))
        let scores = try TrainingPass(model: tiny.model, adapter: tiny.adapter).score(tiny.groups)
        let golden = try tiny.completionValues("logps")
        let entropies = try tiny.completionEntropies()
        for group in 0..<2 {
            #expect(relativeDifference(scores[group][0].logProbs, golden[group]) < 1e-5)
            #expect(relativeDifference(scores[group][0].entropies, entropies[group]) < 1e-5)
        }
    }

    @Test(arguments: TinyModel.names)
    func adapterOffIsTheBaseModel(name: String) throws {
        let tiny = try TinyModel(name, precision: .f32, backend: TestDevice.backend(threads: 1))
        let pass = TrainingPass(model: tiny.model, adapter: tiny.adapter)
        let scores = try pass.score(tiny.groups, under: .reference)
        let golden = try tiny.completionValues("base_logps")
        for group in 0..<2 { #expect(relativeDifference(scores[group][0].logProbs, golden[group]) < 1e-5) }
    }

    @Test(arguments: TinyModel.names, exact)
    func fp32Gradients(name: String, set: InstructionSet) throws {
        try checkGradients(name, precision: .f32, set: set, tolerance: 1e-3)
    }

    @Test(arguments: TinyModel.names, TestDevice.instructionSets)
    func bf16Gradients(name: String, set: InstructionSet) throws {
        try checkGradients(name, precision: .bf16, set: set, tolerance: 3e-2)
    }

    private func checkGradients(_ name: String, precision: WeightPrecision, set: InstructionSet, tolerance: Float)
        throws
    {
        let tiny = try TinyModel(
            name, precision: precision, backend: TestDevice.backend(instructionSet: set, threads: 2))
        let pass = TrainingPass(model: tiny.model, adapter: tiny.adapter)
        let scores = try pass.forward(tiny.groups)
        try pass.backward(scores.map { $0.map { $0.logProbs.map { _ in -1 } } })
        let gradients = try tiny.adapter.gradients
        for tensor in tiny.adapter.tensors {
            let difference = relativeDifference(Array(gradients[tensor.range]), try tiny.gradient(tensor.name))
            #expect(difference < tolerance, "\(tensor.name) differs by \(difference)")
        }
    }
}
