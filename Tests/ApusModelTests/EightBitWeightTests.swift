import ApusCPU
import ApusFormats
import ApusTensor
import ApusTestModels
import ApusTestSupport
import Foundation
import Testing

@testable import ApusModel

/// Weights of 8 bits: which values of a file they keep, and what becomes of those that they cannot.
@Suite struct EightBitWeightTests {
    private static let inputs = 96
    private static let outputs = 70
    /// ggml's numbers of the types.
    static let exactTypes: [(type: ElementType, number: UInt32)] = [(.q8_0, 8), (.q5_0, 6), (.q4_0, 2)]

    /// Values as int8 holds them on a set of kernels.
    private func held(_ values: [Float], set: InstructionSet) throws -> [Float] {
        let inputs = Self.inputs
        let backend = try TestDevice.backend(instructionSet: set, threads: 2)
        let weight = try backend.makeWeight(.int8, outputs: values.count / inputs, inputs: inputs) { range, target in
            _ = target.update(from: values[range.lowerBound * inputs..<range.upperBound * inputs])
        }
        let read = try backend.makeMatrix(rows: weight.outputs, columns: inputs)
        backend.embed(try backend.makeIndices((0..<Int32(weight.outputs)).map { $0 }), table: weight, into: read)
        return try backend.download(read)
    }

    /// Values of every size, some blocks of them zero.
    private func values() -> [Float] {
        var state: UInt64 = 29
        func random() -> Float {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(state >> 40) / Float(1 << 23) - 1
        }
        return stride(from: 0, to: Self.inputs * Self.outputs, by: 32).flatMap { block -> [Float] in
            let size: Float = [1, 0.02, 3e-4, 200, 0][block / 32 % 5]
            return (0..<32).map { _ in random() * size }
        }
    }

    @Test(arguments: exactTypes, TestDevice.instructionSets)
    func blocksOfAFileAreKeptExactly(item: (type: ElementType, number: UInt32), set: InstructionSet) throws {
        let folder = try TemporaryFolder()
        var builder = GGUFBuilder()
        builder.append(
            "w", shape: [Self.outputs, Self.inputs], type: item.number, bytes: item.type.encode(values()))
        let stored = try GGUFFile(path: folder.write(builder.data(), as: "w.gguf")).readFloats("w")
        let found = try held(stored, set: set)
        // A block's zeros may be negative in the file: nothing else about a bit may differ.
        #expect(found.map { ($0 + 0).bitPattern } == stored.map { ($0 + 0).bitPattern })
    }

    @Test(arguments: TestDevice.instructionSets)
    func otherValuesAreWithinHalfAStep(set: InstructionSet) throws {
        let values = values()
        let found = try held(values, set: set)
        for block in stride(from: 0, to: values.count, by: 32) {
            let largest = values[block..<block + 32].reduce(0) { max($0, abs($1)) }
            for i in block..<block + 32 { #expect(abs(found[i] - values[i]) <= largest * (0.5001 / 127)) }
        }
    }

    /// A group with a number that is none becomes NaN as a whole, so that it shows in every product, and its neighbours stay.
    @Test(arguments: [Float.nan, .infinity, -.infinity], TestDevice.instructionSets)
    func whatIsNotFiniteShows(value: Float, set: InstructionSet) throws {
        let whole = values()
        var damaged = whole
        damaged[Self.inputs + 37] = value
        let (found, expected) = (try held(damaged, set: set), try held(whole, set: set))
        let group = Self.inputs + 32..<Self.inputs + 64
        #expect(group.allSatisfy { found[$0].isNaN })
        #expect(found.indices.allSatisfy { group.contains($0) || found[$0] == expected[$0] })
    }

    @Test(arguments: TestDevice.instructionSets)
    func zeroAndTinyGroupsAreNumbers(set: InstructionSet) throws {
        for tiny in [Float.leastNonzeroMagnitude, .leastNormalMagnitude, 1e-32, -0.0] {
            let found = try held([Float](repeating: tiny, count: Self.inputs * 3), set: set)
            #expect(found.allSatisfy { abs($0) <= abs(tiny) }, "\(tiny)")
        }
        let small = values().map { $0 * 1e-24 }
        let found = try held(small, set: set)
        let largest = small.reduce(0) { max($0, abs($1)) }
        #expect(zip(found, small).allSatisfy { abs($0 - $1) <= largest * (0.5001 / 127) })
    }

    // MARK: Models

    /// Log-probabilities of the golden completions under a precision.
    private func logProbs(_ model: LanguageModel, _ groups: [TokenGroup]) throws -> [Float] {
        try TrainingPass(model: model, adapter: nil).score(groups).flatMap { $0[0].logProbs }
    }

    private func meanDifference(_ a: [Float], _ b: [Float]) -> Float {
        zip(a, b).reduce(0) { $0 + abs($1.0 - $1.1) } / Float(a.count)
    }

    /// 0.02 at most when it was written: these models are small and sharp.
    @Test(arguments: TinyModel.names, TestDevice.instructionSets.filter { !$0.roundsToBF16(.int8) })
    func aBF16ModelIsNearFP32(name: String, set: InstructionSet) throws {
        func logProbs(_ precision: WeightPrecision) throws -> [Float] {
            let tiny = try TinyModel(
                name, precision: precision, backend: TestDevice.backend(instructionSet: set, threads: 2))
            return try self.logProbs(tiny.model, tiny.groups)
        }
        let exact = try logProbs(.f32)
        let difference = meanDifference(try logProbs(.int8), exact)
        #expect(difference < 0.03, "\(difference)")
        #expect(difference < meanDifference(try logProbs(.nf4), exact) / 4)
    }

    /// All that is rounded is activations, keys and values: nothing of the weights. 0.0005 when it was written,
    /// a fortieth of what rounding them costs.
    @Test(arguments: exactTypes, TestDevice.instructionSets.filter { !$0.roundsToBF16(.int8) })
    func aModelOfExactTypesIsNearerStill(item: (type: ElementType, number: UInt32), set: InstructionSet) throws {
        let folder = try TemporaryFolder()
        let file = try TinyGGUF(converting: "tiny_llama").inBlocks(of: item.type, number: item.number)
        let path = try folder.write(file.builder.data(), as: "model.gguf")
        let groups = try TinyModel("tiny_llama", precision: .f32, backend: TestDevice.backend(threads: 1)).groups
        func logProbs(_ precision: WeightPrecision) throws -> [Float] {
            try self.logProbs(model(path, precision, TestDevice.backend(instructionSet: set, threads: 2)), groups)
        }
        let exact = try logProbs(.f32)
        let difference = meanDifference(try logProbs(.int8), exact)
        #expect(difference < 1e-3, "\(difference)")
    }

    /// The file has no tokenizer, and a pass needs none.
    private func model(
        _ path: String, _ precision: WeightPrecision, _ backend: any Backend
    ) throws -> LanguageModel {
        let checkpoint = try Checkpoint(path: path)
        let loader = WeightLoader(checkpoint: checkpoint, backend: backend, precision: precision, cache: nil)
        let tokenizer = try Checkpoint(path: Fixture.url("base96-slips").path).makeTokenizer()
        return LanguageModel(
            ModelParts(path: path, configuration: checkpoint.configuration, tokenizer: tokenizer),
            precision: precision, backend: backend, weights: try loader.load(progress: nil))
    }
}
