import ApusTestModels
import Testing

/// Every family against transformers and PEFT: random tiny models whose head sizes, windows, caps and rotary embeddings matter.
@Suite struct FamilyTests {
    @Test(arguments: FamilyModel.names)
    func logits(name: String) throws {
        for finding in try FamilyModel(name).logitFindings(on: TestDevice.backend(threads: 2)) {
            #expect(finding.isRight, "\(finding)")
        }
    }

    @Test(arguments: FamilyModel.names)
    func lossAndGradientsOfAnAdapter(name: String) throws {
        for finding in try FamilyModel(name).adapterFindings(on: TestDevice.backend(threads: 2)) {
            #expect(finding.isRight, "\(finding)")
        }
    }

    @Test(arguments: FamilyModel.fullyTrained)
    func lossAndGradientsOfAllWeights(name: String) throws {
        for finding in try FamilyModel(name).fullFindings(on: TestDevice.backend(threads: 2)) {
            #expect(finding.isRight, "\(finding)")
        }
    }
}
