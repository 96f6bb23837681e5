import ApusCPU
import ApusGeneration
import ApusModel
import ApusTensor
import ApusTestModels
import CUDAEmulation
import Testing

extension EmulatedCard {
    /// A tiny model of each family from prompt to adapter, on the card and on the processor: sampled, scored, and moved by two
    /// steps of AdamW.
    @Suite struct FamilyRunTests {
        private struct Outcome {
            var completions: [[Int32]]
            var losses: [Float] = []
            var gradients: [[Float]] = []
            var adapter: [Float] = []
        }

        private static let learningRate = 1e-3

        /// - Parameters:
        ///   - given: what is trained on; nil for what was sampled.
        ///   - noise: how much of itself each value of the adapter is moved by, at the most.
        private func outcome(
            _ name: String, _ precision: WeightPrecision, on backend: any Backend, completions given: [[Int32]]? = nil,
            noise: Float = 0
        ) throws -> Outcome {
            let family = try FamilyModel(name)
            let (model, adapter) = try family.load(precision, backend)
            let random = Philox(seed: 1)
            let values = try adapter.parameters.enumerated().map { index, value in
                let share = Float(random.uniform(step: index, sample: 0, position: 0))
                return value * (1 + noise * (2 * share - 1))
            }
            try adapter.setParameters(values)
            let pages = PageStore(model: model, contents: .training(.offload), pages: 64)
            let engine = GenerationEngine(model: model, adapter: adapter, pages: pages, keepsRollouts: true)
            let length = min(24, model.configuration.contextLength - family.golden.promptLength)
            let request = GenerationRequest(prompt: family.group.prompt, completions: 3)
            let completions = try engine.generate(
                [request], sampling: SamplingParameters(temperature: 1, maxNewTokens: length, seed: 5))[0]
            var result = Outcome(completions: completions.map(\.tokens))
            let group = TokenGroup(prompt: request.prompt, completions: given ?? result.completions)
            let pass = TrainingPass(model: model, trained: .adapter(adapter), pages: pages)
            for step in 1...2 {
                adapter.zeroGradients()
                result.losses.append(try pass.lossWithGradients(group))
                result.gradients.append(try adapter.gradients)
                adapter.adamWStep(
                    AdamWStep(
                        step: step, learningRate: Self.learningRate, beta1: 0.9, beta2: 0.999, epsilon: 1e-8,
                        weightDecay: 0.01))
            }
            result.adapter = try adapter.parameters
            return result
        }

        /// fp32 weights are multiplied in fp32 on both; others in bf16 on a card, whose rounding a model may amplify: as it
        /// amplifies values of the adapter that are moved by as much. AdamW divides by the gradient's size: where a gradient is
        /// nearly 0, a parameter may go the other way.
        @Test(arguments: FamilyModel.names, [WeightPrecision.f32, .nf4])
        func runsAgree(name: String, precision: WeightPrecision) throws {
            cuda_emulation_reset()
            let isExact = precision == .f32
            let processor = try CPUBackend(threads: 2)
            let expected = try outcome(name, precision, on: processor)
            let found = try outcome(
                name, precision, on: TestDevice.emulatedCard(), completions: expected.completions)
            let moved = try outcome(
                name, precision, on: processor, completions: expected.completions, noise: isExact ? 0 : 0x1p-7)
            if isExact { #expect(found.completions == expected.completions) }
            for step in 0..<2 {
                let (loss, wanted) = (found.losses[step], expected.losses[step])
                #expect(abs(loss - wanted) < (isExact ? 2e-5 : 2e-2) * wanted, "step \(step + 1): \(loss), \(wanted)")
                let difference = relativeDifference(found.gradients[step], expected.gradients[step])
                let sensitivity = relativeDifference(moved.gradients[step], expected.gradients[step])
                #expect(difference < (isExact ? 1e-3 : 0.1 + 3 * sensitivity), "step \(step + 1): gradients")
            }
            #expect(found.losses[1] < found.losses[0], "a step lowers the loss")
            let distance = zip(found.adapter, expected.adapter).reduce(0) { $0 + abs($1.0 - $1.1) }
            let mean = distance / Float(found.adapter.count) / Float(Self.learningRate)
            #expect(mean < (isExact ? 0.005 : 0.3), "of a step")
        }
    }
}
