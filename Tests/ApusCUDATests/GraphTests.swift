import ApusGeneration
import ApusModel
import ApusTensor
import ApusTestModels
import CCUDA
import CUDAEmulation
import Testing

@testable import ApusCUDA

extension EmulatedCard {
    /// Kernels that come again as one graph: what they compute, and how often the driver is called.
    @Suite struct GraphTests {
        private func calls(_ function: String) -> Int { Int(cuda_emulation_call_count(function)) }

        @Test func aListThatComesAgainIsOneCall() throws {
            cuda_emulation_reset()
            let backend = try TestDevice.emulatedCard()
            let x = try backend.makeMatrix([1, -2], rows: 1, columns: 2)
            for round in 1...4 {
                for _ in 0..<20 { backend.scale(x, by: 2) }
                let expected = (0..<20 * round).reduce(Float(1)) { value, _ in 2 * value }
                #expect(try backend.download(x) == [expected, -2 * expected])
            }
            // The first time one by one, the second while it is recorded.
            #expect(calls("cuLaunchKernel") == 40)
            #expect(calls("cuGraphInstantiateWithFlags") == 1)
            #expect(calls("cuGraphLaunch") == 3)
        }

        /// Another factor is another list, and so is another matrix.
        @Test func aListWithOtherArgumentsIsAnother() throws {
            cuda_emulation_reset()
            let backend = try TestDevice.emulatedCard()
            var expected: [Float] = [1, 1]
            let matrices = try (0..<2).map { _ in try backend.makeMatrix([1], rows: 1, columns: 1) }
            for round in 0..<12 {
                let (place, factor) = (round % 2, Float(1 + round % 3))
                for _ in 0..<15 {
                    backend.scale(matrices[place], by: factor)
                    expected[place] *= factor
                }
                #expect(try matrices.map { try backend.download($0)[0] } == expected)
            }
            #expect(calls("cuGraphInstantiateWithFlags") == 6 && calls("cuGraphLaunch") == 6)
        }

        /// Few kernels, and such as come once, are launched as they are.
        @Test func otherListsAreNoGraphs() throws {
            cuda_emulation_reset()
            let backend = try TestDevice.emulatedCard()
            let x = try backend.makeMatrix([1], rows: 1, columns: 1)
            for _ in 0..<5 {
                for _ in 0..<LaunchQueue.leastGraph - 1 { backend.scale(x, by: 1) }
                _ = try backend.download(x)
            }
            for count in 30..<35 {
                for _ in 0..<count { backend.scale(x, by: 1) }
                _ = try backend.download(x)
            }
            #expect(calls("cuStreamBeginCapture_v2") == 0)
        }

        @Test(arguments: [
            "cuStreamBeginCapture_v2", "cuStreamEndCapture", "cuGraphInstantiateWithFlags", "cuGraphLaunch",
        ])
        func aGraphThatCannotBeMadeIsAnError(call: String) throws {
            cuda_emulation_reset()
            defer { cuda_emulation_reset() }
            let backend = try TestDevice.emulatedCard()
            let x = try backend.makeMatrix([1], rows: 1, columns: 1)
            cuda_emulation_fail_call(call, 1, 2)
            let error = try #require(throws: TensorError.self) {
                for _ in 0..<2 {
                    for _ in 0..<20 { backend.scale(x, by: 1) }
                    _ = try backend.download(x)
                }
            }
            #expect(error.description.hasPrefix("CUDA: ") && error.description.contains("(2)"))
        }

        /// A step of decoding is the graphs of the step before, with its tokens, positions and pages.
        @Test func decodingIsGraphs() throws {
            cuda_emulation_reset()
            let tiny = try TinyModel(
                "tiny_qwen2", precision: .nf4, backend: TestDevice.emulatedCard())
            let engine = GenerationEngine(model: tiny.model, adapter: tiny.adapter)
            let request = GenerationRequest(prompt: [3, 1, 4, 1, 5], completions: 3)
            let sampling = SamplingParameters(temperature: 1, maxNewTokens: 24, minNewTokens: 24, seed: 7)
            let first = try engine.generate([request], sampling: sampling, step: 1)
            let launches = calls("cuLaunchKernel")
            let graphs = calls("cuGraphInstantiateWithFlags")
            #expect(first.joined().allSatisfy { $0.tokens.count == 24 })
            // The same again: next to nothing is launched by itself, and nothing is recorded.
            let again = try engine.generate([request], sampling: sampling, step: 1)
            #expect(again == first)
            #expect(calls("cuGraphInstantiateWithFlags") <= graphs + 2)
            // Of each step the few kernels around what is read; and the prompt's.
            #expect(calls("cuLaunchKernel") - launches < 24 * 8, "\(calls("cuLaunchKernel") - launches)")
        }
    }
}
