import ApusCPU
import ApusTensor
import CKernels
import Testing

/// Which kernels a processor gets, and the promise that some sets differ in speed alone.
@Suite struct InstructionSetTests {
    struct Case: Sendable, CustomStringConvertible {
        var description: String
        var vendor: String
        var family: Int32
        var features: Set<String>
        var chosen: InstructionSet
    }

    private static let vnni: Set = ["avx2", "avx512", "avx512vnni"]

    static let cases = [
        Case(
            description: "Zen 3", vendor: "AuthenticAMD", family: 25, features: ["avx2"], chosen: .avx2),
        Case(
            description: "Zen 4", vendor: "AuthenticAMD", family: 25, features: vnni.union(["avx512bf16"]),
            chosen: .avx512bf16),
        Case(
            description: "Zen 5", vendor: "AuthenticAMD", family: 26,
            features: vnni.union(["avx512bf16", "avxvnni"]), chosen: .avx512bf16),
        Case(
            description: "Skylake-X", vendor: "GenuineIntel", family: 6, features: ["avx2", "avx512"], chosen: .avx512),
        Case(description: "Ice Lake", vendor: "GenuineIntel", family: 6, features: vnni, chosen: .avx512vnni),
        Case(
            description: "Emerald Rapids", vendor: "GenuineIntel", family: 6,
            features: vnni.union(["avx512bf16", "avxvnni"]), chosen: .avx512vnni),
        Case(
            description: "Alder Lake", vendor: "GenuineIntel", family: 6, features: ["avx2", "avxvnni"],
            chosen: .avxvnni),
        Case(description: "Westmere", vendor: "GenuineIntel", family: 6, features: [], chosen: .portable),
        Case(description: "Neoverse V1", vendor: "", family: 0, features: ["neon", "neon_bf16"], chosen: .neonBF16),
        Case(description: "Cortex-A72", vendor: "", family: 0, features: ["neon"], chosen: .neon),
    ]

    @Test(arguments: cases) func theRuleGivesEachProcessorItsKernels(item: Case) throws {
        var processor = apus_processor()
        withUnsafeMutableBytes(of: &processor.vendor) { $0.copyBytes(from: item.vendor.utf8) }
        processor.family = item.family
        func has(_ name: String) -> Int32 { item.features.contains(name) ? 1 : 0 }
        processor.avx2 = has("avx2")
        processor.avx512 = has("avx512")
        processor.avx512vnni = has("avx512vnni")
        processor.avx512bf16 = has("avx512bf16")
        processor.avxvnni = has("avxvnni")
        processor.neon = has("neon")
        processor.neon_bf16 = has("neon_bf16")
        let choice = apus_choose_kernels(&processor)
        let name = String(cString: choice.name)
        #expect(name == item.chosen.rawValue)
        #expect(apus_processor_runs(&processor, name) != 0)
        #expect(!String(cString: choice.reason).isEmpty)
    }

    @Test func whatIsPreferredRunsHere() {
        #expect(InstructionSet.available.contains(InstructionSet.preferred.set))
        #expect(!InstructionSet.preferred.set.isEmulated)
    }

    /// Sets of one layout and one order, of which the processor runs some and the portable build another.
    static let families: [[InstructionSet]] = [
        [.emulatedAVX512, .avx512, .avx512vnni, .avx512bf16], [.avx2, .avxvnni],
    ]

    /// Integer sums are exact and everything else is the same code, so the bits are the same.
    @Test(arguments: families, LinearKernelTests.shapes)
    func setsOfAFamilyGiveTheSameBits(family: [InstructionSet], shape: LinearKernelTests.Shape) throws {
        let sets = family.filter(InstructionSet.available.contains)
        var random = TestRandom(seed: 9)
        let x = random.floats(shape.rows * shape.inputs)
        let dy = random.floats(shape.rows * shape.outputs)
        let results = try sets.map { set -> [UInt32] in
            let linear = try PackedLinear(
                shape.format, outputs: shape.outputs, inputs: shape.inputs, group: shape.group,
                instructionSet: set.rawValue)
            var y = [Float](repeating: 0, count: shape.rows * shape.outputs)
            var dx = [Float](repeating: 0, count: shape.rows * shape.inputs)
            linear.forward(x, rows: shape.rows, bias: nil, into: &y, ldy: shape.outputs)
            linear.backward(dy, rows: shape.rows, outputs: 0..<shape.outputs, into: &dx, ldx: shape.inputs)
            return (y + dx).map(\.bitPattern)
        }
        // bf16 dot products of bf16 weights are another arithmetic.
        for (set, result) in zip(sets, results) where !(set == .avx512bf16 && shape.format == .bf16) {
            #expect(result == results[0], "\(set)")
        }
    }
}
