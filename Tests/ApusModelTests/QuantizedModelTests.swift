import ApusCPU
import ApusFormats
import ApusModel
import ApusTensor
import ApusTestModels
import ApusTestSupport
import Foundation
import Testing

/// A model that transformers saved in 4 bits with bitsandbytes, against bitsandbytes' own results.
@Suite struct QuantizedModelTests {
    /// Which of the fixture's two sets of logits a precision stands for.
    struct Case: Sendable, CustomStringConvertible {
        let precision: WeightPrecision
        let logits: String
        var description: String { precision.rawValue }
    }

    static let cases = [
        // The stored codes: what bitsandbytes itself computes with compute_dtype float32.
        Case(precision: .nf4, logits: "logits_fp32_weights"),
        // The dequantised values in the stored dtype, bf16: what transformers' `dequantize()` makes of them.
        Case(precision: .bf16, logits: "logits"),
        Case(precision: .f32, logits: "logits"),
    ]

    /// Natural logarithms of the probabilities of tokens 1... of each row of the golden batch.
    private func golden(_ name: String) throws -> (groups: [TokenGroup], logProbs: [[Double]]) {
        let file = try SafetensorsFile(path: Fixture.url("bnb_tiny_llama/golden.safetensors").path)
        let ids = try file.integers("input_ids")
        let logits = try file.floats(name)
        let vocabulary = logits.count / ids.count
        let rows = [0..<10, 10..<20]
        let logProbs = rows.map { row in
            row.dropLast().map { position in
                let z = logits[position * vocabulary..<(position + 1) * vocabulary].map(Double.init)
                let most = z.max() ?? 0
                let logSumExp = most + log(z.reduce(0) { $0 + exp($1 - most) })
                return z[Int(ids[position + 1])] - logSumExp
            }
        }
        let groups = rows.map { TokenGroup(prompt: [ids[$0.lowerBound]], completions: [Array(ids[$0.dropFirst()])]) }
        return (groups, logProbs)
    }

    private func largestDifference(_ item: Case, _ set: InstructionSet) throws -> Double {
        let backend = try TestDevice.backend(instructionSet: set, threads: 2)
        let model = try withModelFolder(copying: "bnb_tiny_llama") {
            try LanguageModel(path: $0, precision: item.precision, backend: backend)
        }
        let golden = try golden(item.logits)
        let scores = try TrainingPass(model: model, adapter: nil).score(golden.groups)
        let pairs = zip(scores.flatMap { $0[0].logProbs }, golden.logProbs.joined())
        return pairs.map { abs(Double($0) - $1) }.max() ?? .infinity
    }

    /// All fp32: only the order of sums differs.
    @Test(arguments: TestDevice.instructionSets)
    func logProbsAreThoseOfBitsAndBytes(set: InstructionSet) throws {
        for item in Self.cases where item.precision == .f32 { #expect(try largestDifference(item, set) < 2e-5) }
    }

    /// bf16 weights with fp32 activations: keys and values in 16 bits are all that is rounded. A hundred times closer to
    /// fp32 than bitsandbytes itself with compute_dtype bfloat16.
    @Test(
        .enabled(if: TestDevice.rounds), arguments: cases.filter { $0.precision == .bf16 }, TestDevice.instructionSets)
    func keysAndValuesInSixteenBitsAreNear(item: Case, set: InstructionSet) throws {
        guard !set.roundsToBF16(item.precision) else { return }
        let difference = try largestDifference(item, set)
        #expect(difference < 0.0914 / 100)
        #expect(difference > 2e-5, "the test would not see a kernel that does not round")
    }

    /// NF4 in 16-bit fixed point: twenty times closer to fp32 than bitsandbytes itself with compute_dtype bfloat16.
    @Test(
        .enabled(if: TestDevice.rounds), arguments: cases.filter { $0.precision == .nf4 }, TestDevice.instructionSets)
    func fixedPointIsFarCloserThanBF16(item: Case, set: InstructionSet) throws {
        guard !set.roundsToBF16(item.precision) else { return }
        let difference = try largestDifference(item, set)
        #expect(difference < 0.0914 / 20)
        #expect(difference > 2e-5, "the test would not see a kernel that does not round")
    }

    /// bf16 activations: no further from fp32 than bitsandbytes itself with compute_dtype bfloat16, whose logits on
    /// this batch differ by up to 0.0914 (`max_abs_diff_bnb_forward_bf16` of golden.json).
    @Test(arguments: cases.filter { $0.precision != .f32 }, TestDevice.instructionSets)
    func bf16ArithmeticIsAsCloseAsThatOfBitsAndBytes(item: Case, set: InstructionSet) throws {
        guard set.roundsToBF16(item.precision) else { return }
        let difference = try largestDifference(item, set)
        #expect(difference < 0.0914)
        #expect(difference > 2e-5, "the test would not see a kernel that does not round")
    }
}

extension InstructionSet {
    /// Whether products round activations to bf16, as the processor's dot products do.
    func roundsToBF16(_ precision: WeightPrecision) -> Bool {
        switch precision {
        case .f32: false
        case .bf16: [.avx512bf16, .neonBF16, .emulatedBF16].contains(self)
        case .int8, .nf4: [.neonBF16, .emulatedBF16].contains(self)
        }
    }
}
