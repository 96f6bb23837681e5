import ApusFormats
import ApusTensor
import ApusTestModels
import ApusTestSupport
import ApusText
import Foundation
import Testing

@testable import ApusModel

/// All weights of tiny models in training, against PyTorch and against the definition of a derivative.
@Suite struct FullParametersTests {
    private struct Golden: Decodable {
        struct Sequence: Decodable {
            var prompt: [Int32]
            var completion: [Int32]
        }
        var sequences: [Sequence]
        var loss: Double
        var losses: [Double]

        var groups: [TokenGroup] { sequences.map { TokenGroup(prompt: $0.prompt, completions: [$0.completion]) } }
        var tokenCount: Int { sequences.reduce(0) { $0 + $1.completion.count } }
    }

    private static let names = ["tied", "biased"]

    private func load(_ name: String, threads: Int = 2) throws -> (FullParameters, TrainingPass, Golden) {
        let parameters = try withModelFolder(copying: "full_parameters/\(name)") { path in
            try FullParameters(directory: URL(filePath: path), backend: TestDevice.backend(threads: threads))
        }
        let pages = PageStore(model: parameters.model, contents: .training(.recompute), pages: 64)
        let pass = TrainingPass(model: parameters.model, trained: .full(parameters), pages: pages)
        return (parameters, pass, try Fixture.json("full_parameters/\(name)/golden.json"))
    }

    /// One pass with its gradients; the loss is the mean over all tokens of all groups.
    private func loss(_ pass: TrainingPass, _ groups: [TokenGroup], of count: Int, backward: Bool = true) throws
        -> Double
    {
        let scores = try pass.forward(groups)
        let share = Float(-1 / Double(count))
        if backward { try pass.backward(scores.map { $0.map { $0.logProbs.map { _ in share } } }) }
        return -scores.joined().flatMap(\.logProbs).reduce(0) { $0 + Double($1) } / Double(count)
    }

    @Test(arguments: names) func gradientsAreThoseOfPyTorch(name: String) throws {
        let (parameters, pass, golden) = try load(name)
        let loss = try loss(pass, golden.groups, of: golden.tokenCount)
        #expect(abs(loss - golden.loss) < 2e-6 * golden.loss)
        let file = try SafetensorsFile(path: Fixture.url("full_parameters/\(name)/gradients.safetensors").path)
        #expect(file.entries.count == parameters.tensors.count)
        let gradients = try parameters.gradients
        for tensor in parameters.tensors {
            let difference = relativeDifference(Array(gradients[tensor.range]), try file.floats(tensor.name))
            #expect(difference < 2e-5, "\(tensor.name)")
        }
    }

    /// What is kept of the insides is rounded to 16 bits.
    @Test func keptInsidesGiveNearlyTheSameGradients() throws {
        let (parameters, pass, golden) = try load("biased")
        _ = try loss(pass, golden.groups, of: golden.tokenCount)
        let expected = try parameters.gradients
        parameters.zeroGradients()
        let pages = PageStore(model: parameters.model, contents: .training(.none), pages: 64)
        let keeping = TrainingPass(model: parameters.model, trained: .full(parameters), pages: pages)
        _ = try loss(keeping, golden.groups, of: golden.tokenCount)
        let found = try parameters.gradients
        for tensor in parameters.tensors {
            let difference = relativeDifference(Array(found[tensor.range]), Array(expected[tensor.range]))
            #expect(difference < 1e-3, "\(tensor.name)")
        }
    }

    @Test(arguments: names) func stepsFollowPyTorch(name: String) throws {
        let (parameters, pass, golden) = try load(name)
        for (index, expected) in golden.losses.enumerated() {
            parameters.zeroGradients()
            let loss = try loss(pass, golden.groups, of: golden.tokenCount)
            #expect(abs(loss - expected) < 1e-4 * expected, "step \(index + 1)")
            parameters.adamWStep(
                AdamWStep(
                    step: index + 1, learningRate: 1e-2, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1))
        }
    }

    /// Along its own gradient the loss must rise by the gradient's length, tensor by tensor.
    @Test(arguments: names) func gradientsAreSlopes(name: String) throws {
        let (parameters, pass, golden) = try load(name)
        _ = try loss(pass, golden.groups, of: golden.tokenCount)
        let (start, gradients) = try (parameters.parameters, parameters.gradients)
        for tensor in parameters.tensors {
            let length = gradients[tensor.range].reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            func moved(_ distance: Double) throws -> Double {
                var values = start
                for index in tensor.range { values[index] += Float(distance * Double(gradients[index]) / length) }
                try parameters.setParameters(values)
                return try loss(pass, golden.groups, of: golden.tokenCount, backward: false)
            }
            let distance = min(1e-2, 1e-2 / length)
            let slope = (try moved(distance) - moved(-distance)) / (2 * distance)
            #expect(abs(slope - length) < 2e-2 * length, "\(tensor.name): \(slope) for \(length)")
        }
    }

    /// Rows of different sequences meet only in the sums over rows, whose order packing changes.
    @Test(arguments: names) func packingChangesNoLogProbabilityAndGradientsOnlyByRounding(name: String) throws {
        let (parameters, pass, golden) = try load(name)
        let packed = try pass.forward(golden.groups)
        _ = try loss(pass, golden.groups, of: golden.tokenCount)
        let together = try parameters.gradients
        parameters.zeroGradients()
        for (index, group) in golden.groups.enumerated() {
            #expect(try pass.forward([group])[0] == packed[index])
            _ = try loss(pass, [group], of: golden.tokenCount)
        }
        let apart = try parameters.gradients
        for tensor in parameters.tensors {
            #expect(
                relativeDifference(Array(apart[tensor.range]), Array(together[tensor.range])) < 1e-5, "\(tensor.name)")
        }
    }

    @Test(arguments: names) func threadsChangeNoBit(name: String) throws {
        let gradients = try [1, 3].map { threads in
            let (parameters, pass, golden) = try load(name, threads: threads)
            _ = try loss(pass, golden.groups, of: golden.tokenCount)
            return try parameters.gradients
        }
        #expect(gradients[0] == gradients[1])
    }

    @Test func theLikeliestTokensAreThoseOfTheLogits() throws {
        let (_, pass, golden) = try load("tied")
        let group = golden.groups[2]
        let best = try (0..<64).map { token in
            try pass.forward([TokenGroup(prompt: group.prompt, completions: [[Int32(token)]])])[0][0].logProbs[0]
        }
        let winner = try #require(best.indices.max { best[$0] < best[$1] })
        for token in [winner, (winner + 1) % 64] {
            _ = try pass.forward([TokenGroup(prompt: group.prompt, completions: [[Int32(token), 3]])])
            let answers = try pass.areLikeliest([[[true, false]]])
            #expect(answers == [[[token == winner, false]]])
        }
    }

    @Test func aSavedModelIsTheModel() throws {
        let (_, pass, golden) = try load("biased")
        let folder = try TemporaryFolder()
        let path = folder.url.appending(path: "model", directoryHint: .isDirectory)
        try withModelFolder(copying: "full_parameters/biased") { source in
            let again = try FullParameters(directory: URL(filePath: source), backend: TestDevice.backend())
            try FileManager.default.createDirectory(at: path, withIntermediateDirectories: true)
            again.storedPrecision = .float32
            try again.save(to: path)
            try again.model.tokenizer.save(to: path)
        }
        let model = try LanguageModel(path: path.path, precision: .f32, backend: TestDevice.backend())
        let scores = try TrainingPass(model: model, adapter: nil).score(golden.groups)
        #expect(try scores == pass.score(golden.groups))
    }

    @Test func savingInAnotherTypeSaysSo() throws {
        let text = "{\n \"dtype\" : \"float32\", \"a\": 1e-05}"
        #expect(
            try FullParameters.configuration(text, storedAs: .bfloat16) == "{\n \"dtype\" : \"bfloat16\", \"a\": 1e-05}"
        )
        #expect(try FullParameters.configuration("{}", storedAs: .bfloat16) == "{}")
        let quantized = #"{"quantization_config": {"load_in_4bit": true}, "torch_dtype": "float16", "b": 1}"#
        #expect(
            try FullParameters.configuration(quantized, storedAs: .float32)
                == "{\n  \"torch_dtype\": \"float32\",\n  \"b\": 1\n}\n")
    }

    @Test func randomWeightsAreNormalAndAFunctionOfTheSeed() throws {
        try withModelFolder(copying: "full_parameters/biased") { path in
            let folder = URL(filePath: path)
            func parameters(seed: UInt64) throws -> FullParameters {
                try FullParameters(randomFrom: folder, seed: seed, backend: TestDevice.backend())
            }
            let first = try parameters(seed: 7)
            #expect(try first.parameters == parameters(seed: 7).parameters)
            #expect(try first.parameters != parameters(seed: 8).parameters)
            for tensor in first.tensors {
                let values = try first.parameters[tensor.range].map(Double.init)
                if tensor.shape.count == 1 {
                    #expect(values.allSatisfy { $0 == (tensor.name.hasSuffix(".bias") ? 0 : 1) }, "\(tensor.name)")
                } else {
                    let mean = values.reduce(0, +) / Double(values.count)
                    let deviation = (values.reduce(0) { $0 + $1 * $1 } / Double(values.count)).squareRoot()
                    #expect(abs(mean) < 0.003 && abs(deviation - 0.02) < 0.0025, "\(tensor.name) \(mean) \(deviation)")
                }
            }
        }
    }

    @Test func aFileIsRefused() throws {
        let path = Fixture.url("full_parameters/tied/config.json")
        #expect(throws: ModelError.self) { try FullParameters(directory: path, backend: TestDevice.backend()) }
    }
}
