import ApusCPU
import ApusTensor
import ApusTestModels
import ApusTestSupport
import Foundation
import Testing

@testable import ApusGeneration
@testable import ApusModel

/// The plan's figures against the things themselves, where these can be had without a run.
@Suite struct MemoryPlanTests {
    private let backend: CPUBackend

    init() throws {
        backend = try CPUBackend(threads: 1)
    }

    private func part(_ name: String, of plan: MemoryPlan) throws -> Int {
        try #require(plan.parts.first { $0.name.hasPrefix(name) }).bytes
    }

    private func run(_ path: String, _ precision: WeightPrecision = .nf4, rank: Int = 8) throws -> PlannedRun {
        PlannedRun(
            model: try ModelConfiguration(path: Fixture.url(path).path), precision: precision,
            adapter: LoRAConfiguration(rank: rank))
    }

    @Test(arguments: [WeightPrecision.f32, .bf16, .nf4])
    func weightsAreThoseOfALoadedModel(precision: WeightPrecision) throws {
        let name = "base96-slips"
        let planned = try MemoryPlan(try run(name, precision), utilization: 0.8, limit: 1 << 40, backend: backend)
        let model = try LanguageModel(path: Fixture.url(name).path, precision: precision, backend: backend)
        let shape = model.configuration
        let biases = shape.layers[0].modules.filter(\.hasBias).reduce(0) { $0 + $1.outputs }
        let vectors = 4 * shape.layerCount * (2 * shape.hiddenSize + biases)
        let weights = try part("base weights", of: planned) + part("embedding", of: planned)
        #expect(weights == model.weightBytes + vectors)
    }

    @Test func adapterAndPagesAreThoseOfARun() throws {
        var run = try run("base96-slips", rank: 4)
        (run.prompts, run.groupSize, run.completionsPerPass) = (2, 3, 6)
        (run.promptTokens, run.completionTokens) = (21, 30)
        let planned = try MemoryPlan(run, utilization: 0.8, limit: 1 << 40, backend: backend)
        let model = try LanguageModel(path: Fixture.url("base96-slips").path, precision: .nf4, backend: backend)
        let adapter = try LoRAAdapter(#require(run.adapter), for: model, seed: 0)
        #expect(try part("optimizer", of: planned) == 8 * adapter.parameterCount)

        let pages = PageStore(model: model, contents: .training(.recompute), pages: 64)
        let groups = (0..<2).map { group in
            TokenGroup(
                prompt: [Int32](repeating: 1, count: 21),
                completions: (0..<3).map { [Int32](repeating: Int32($0 + group), count: 30) })
        }
        let taken = Set(try pages.takeTables(for: groups).flatMap(\.all)).count
        #expect(planned.wantedPages == taken * (pages.keyValueBytes + pages.inputBytes))
        #expect(planned.leastPages == planned.wantedPages)
    }

    @Test func longSequencesEndWithTheModelsContext() throws {
        var run = try run("base96-slips")
        run.promptTokens = 10
        run.completionTokens = run.model.contextLength - 10
        let whole = try MemoryPlan(run, utilization: 0.8, limit: 1 << 40, backend: backend)
        run.completionTokens = 1_000_000
        #expect(try MemoryPlan(run, utilization: 0.8, limit: 1 << 40, backend: backend) == whole)
    }

    /// The memory of the CPU is the host's.
    @Test func nothingIsOffloadedOnTheCPU() throws {
        var run = try run("base96-slips")
        let plan = try MemoryPlan(run, utilization: 0.8, limit: 1 << 40, backend: backend)
        run.checkpointing = .offload
        #expect(try MemoryPlan(run, utilization: 0.8, limit: 1 << 40, backend: backend) == plan)
        run.checkpointing = .none
        #expect(try MemoryPlan(run, utilization: 0.8, limit: 1 << 40, backend: backend).wantedPages > plan.wantedPages)
    }

    @Test func verdictsFollowTheLimit() throws {
        var run = try run("base96-slips")
        (run.prompts, run.promptTokens, run.completionTokens) = (8, 32, 64)
        func plan(_ limit: Int) throws -> MemoryPlan {
            try MemoryPlan(run, utilization: 0.8, limit: limit, backend: backend)
        }
        let roomy = try plan(1 << 40)
        #expect(roomy.verdict == .fits && !roomy.isHopeless)
        #expect(roomy.least < roomy.total)
        let loaded = roomy.parts.prefix(6).reduce(0) { $0 + $1.bytes }
        let tight = try plan((loaded + roomy.wantedPages / 2) * 5 / 4)
        #expect(tight.verdict == .fitsRecomputing)
        #expect(tight.total < roomy.total)
        let small = try plan((loaded + roomy.leastPages / 2) * 5 / 4)
        #expect(small.verdict == .doesNotFit)
        #expect(try plan(roomy.least / 2).isHopeless)
    }
}
