import ApusModel
import ApusTensor
import ApusTestModels
import ApusTestSupport
import Foundation
import Testing

@testable import ApusExport

/// What it costs each family to be held and computed in fewer bits, against what bf16 costs transformers.
@Suite struct FamilyPrecisionTests {
    private func logProbs(_ path: String, _ precision: WeightPrecision, _ family: FamilyModel) throws -> [Float] {
        let model = try LanguageModel(
            path: path, precision: precision, contextLength: family.tokens.count,
            backend: TestDevice.backend(threads: 1),
            cache: nil)
        let group = TokenGroup(prompt: [family.tokens[0]], completions: [Array(family.tokens[1...])])
        return try TrainingPass(model: model, adapter: nil).score([group])[0][0].logProbs
    }

    private func meanDistance(_ one: [Float], _ other: [Float]) -> Float {
        zip(one, other).reduce(0) { $0 + abs($1.0 - $1.1) } / Float(one.count)
    }

    @Test(arguments: FamilyModel.names) func arithmeticCostsNoMoreThanBF16CostsTransformers(name: String) throws {
        let family = try FamilyModel(name)
        let folder = try TemporaryFolder()
        try family.withFolder { path in
            let limit = family.golden.bf16LogProbMean
            #expect(meanDistance(try logProbs(path, .f32, family), try logProbs(path, .bf16, family)) <= limit)
            // The weights that NF4 rounds to, in fp32: what is left is the arithmetic's.
            let rounded = folder.url.appending(path: "rounded").path
            try ExportedModel(model: path).preparedBitsAndBytes(to: rounded)(nil)
            #expect(meanDistance(try logProbs(rounded, .f32, family), try logProbs(rounded, .nf4, family)) <= limit)
        }
    }
}
