import ApusFormats
import ApusTensor
import ApusTestModels
import ApusTestSupport
import Foundation
import Testing

@testable import ApusModel

/// What NF4 costs a file whose weights were rounded before.
@Suite struct SecondRoundingTests {
    private let folder: TemporaryFolder
    private let backend: any Backend

    init() throws {
        folder = try TemporaryFolder()
        backend = try TestDevice.backend(threads: 2)
    }

    private func rounding(_ file: TinyGGUF, _ precision: WeightPrecision = .nf4) throws -> SecondRounding? {
        let path = try folder.write(file.builder.data(), as: "model.gguf")
        return try SecondRounding(Checkpoint(path: path), precision: precision, backend: backend)
    }

    private func tiny(_ type: ElementType, _ number: UInt32) throws -> TinyGGUF {
        try TinyGGUF(converting: "tiny_llama").inBlocks(of: type, number: number)
    }

    @Test(arguments: [(ElementType.q4_0, UInt32(2)), (.q5_0, 6)])
    func filesOfFewBitsAreMeasured(type: ElementType, number: UInt32) throws {
        let rounding = try #require(try rounding(tiny(type, number)))
        #expect(rounding.types == [type.rawValue])
        // Of normally distributed values NF4 changes about a tenth.
        #expect((0.02..<0.2).contains(rounding.error), "\(rounding.error)")
        #expect(rounding.errorIn8Bits == 0)
        let configuration = try Checkpoint(path: Fixture.url("tiny_llama").path).configuration
        func bytes(_ format: WeightFormat) throws -> Int {
            try configuration.layers[0].modules.reduce(0) {
                $0 + (try backend.byteCount(format, outputs: $1.outputs, inputs: $1.inputs))
            }
        }
        #expect(try rounding.bytesFor8Bits == configuration.layerCount * (bytes(.int8) - bytes(.nf4)))
    }

    @Test func otherPrecisionsAndOtherFilesHaveNoSecondRounding() throws {
        for precision in [WeightPrecision.int8, .bf16, .f32] {
            #expect(try rounding(tiny(.q4_0, 2), precision) == nil)
        }
        #expect(try rounding(tiny(.q8_0, 8)) == nil)
        #expect(try rounding(TinyGGUF(converting: "tiny_llama")) == nil)
        let folder = try Checkpoint(path: Fixture.url("tiny_llama").path)
        #expect(try SecondRounding(folder, precision: .nf4, backend: backend) == nil)
    }

    /// Most of the weights decide, and the commonest type comes first.
    @Test func mixedFilesAreTakenByTheirMajority() throws {
        let mostly = try tiny(.q4_0, 2).inBlocks(of: .q5_0, number: 6, named: "attn_").inBlocks(
            of: .q8_0, number: 8, named: "attn_v")
        #expect(try rounding(mostly)?.types == ["Q4_0", "Q5_0"])
        let hardly = try tiny(.q8_0, 8).inBlocks(of: .q4_0, number: 2, named: "attn_")
        #expect(try rounding(hardly) == nil)
    }

    @Test func typesOfFewBitsAreThoseOfAtMostFive() {
        let few = ElementType.allCases.filter(\.hasFewBits)
        #expect(few == [.q4_0, .q4_1, .q5_0, .q5_1, .q2_K, .q3_K, .q4_K, .q5_K, .iq4_NL, .iq4_XS])
    }
}
