import ApusCPU
import ApusModel
import ApusTensor
import ApusTestModels
import Testing

/// Equalities without a tolerance.
///
/// They protect three promises: the ratio of the first update is exactly 1 (a log-probability is one number, whoever
/// computes it), a run is reproduced by its seed on any number of threads, and the order or size of batches is a matter
/// of speed alone. Any kernel whose sums depend on its neighbours breaks them.
@Suite struct InvarianceTests {
    static let threads = [1, 2, 5]

    /// A model with bias terms and one without, on every kind of weight.
    struct Case: Sendable, CustomStringConvertible {
        let model: String
        let precision: WeightPrecision
        var description: String { "\(model) \(precision.rawValue)" }
    }

    static let cases = WeightPrecision.allCases.flatMap { precision in
        ["tiny_llama", "tiny_qwen2"].map { Case(model: $0, precision: precision) }
    }

    private func tiny(_ item: Case, _ set: InstructionSet, threads: Int) throws -> TinyModel {
        try TinyModel(
            item.model, precision: item.precision, backend: TestDevice.backend(instructionSet: set, threads: threads))
    }

    @Test(arguments: cases, TestDevice.instructionSets)
    func aCompletionScoresTheSameInEveryCompany(item: Case, set: InstructionSet) throws {
        let groups = TokenSequences.groups
        var reference: [[TokenScores]] = []
        for threads in Self.threads {
            let tiny = try tiny(item, set, threads: threads)
            let pass = TrainingPass(model: tiny.model, adapter: tiny.adapter)
            let together = try pass.score(groups, temperature: 0.9)
            if reference.isEmpty { reference = together }
            #expect(together == reference, "\(threads) threads")
            #expect(try pass.forward(groups, temperature: 0.9) == reference, "kept for the backward pass")
            #expect(try pass.score(groups.reversed(), temperature: 0.9) == reference.reversed(), "in another order")
            guard threads == 2 else { continue }
            for (group, expected) in zip(groups, reference) {
                #expect(try pass.score([group], temperature: 0.9) == [expected], "a group alone")
                let last = TokenGroup(prompt: group.prompt, completions: group.completions.suffix(1))
                #expect(try pass.score([last], temperature: 0.9) == [expected.suffix(1)], "a completion alone")
            }
        }
        #expect(reference.joined().allSatisfy { $0.logProbs.allSatisfy(\.isFinite) })
    }

    @Test(arguments: cases, TestDevice.instructionSets)
    func gradientsAreTheSameOnAnyNumberOfThreads(item: Case, set: InstructionSet) throws {
        let groups = TokenSequences.groups
        let weights = groups.map { group in
            group.completions.map { tokens in tokens.map { Float($0 % 7) - 3 } }
        }
        var reference: [Float] = []
        for threads in Self.threads {
            let tiny = try tiny(item, set, threads: threads)
            let pass = TrainingPass(model: tiny.model, adapter: tiny.adapter)
            _ = try pass.forward(groups)
            try pass.backward(weights, entropyGradients: weights)
            let gradients = try tiny.adapter.gradients
            if reference.isEmpty { reference = gradients }
            #expect(gradients == reference, "\(threads) threads")
        }
        #expect(reference.contains { $0 != 0 })
        #expect(reference.allSatisfy { $0.isFinite })
    }

    @Test func anEmptyCompletionScoresNothingAndDisturbsNobody() throws {
        let tiny = try tiny(Case(model: "tiny_llama", precision: .bf16), .portable, threads: 1)
        let pass = TrainingPass(model: tiny.model, adapter: tiny.adapter)
        let group = TokenSequences.groups[4]
        let without = try pass.score([group])[0]
        let with = try pass.score([TokenGroup(prompt: group.prompt, completions: [[]] + group.completions + [[]])])[0]
        let nothing = TokenScores(logProbs: [], entropies: [])
        #expect(with == [nothing] + without + [nothing])
    }
}
