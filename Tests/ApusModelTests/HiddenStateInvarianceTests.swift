import ApusCPU
import ApusModel
import ApusTensor
import ApusTestModels
import Testing

/// A token's hidden state is a function of its own prefix and the weights, to the bit: the root of all other equalities.
@Suite struct HiddenStateInvarianceTests {
    /// 24 sequences that share no prefix, of 3 to 40 tokens: below, on and above the size of a page.
    private static let sequences: [[Int32]] = (0..<24).map { sequence in
        let count = [3, 15, 16, 17, 33, 40][sequence % 6]
        return (0..<count).map { position in
            let number = position * 7 + sequence * 13 + 3
            return Int32(number % 60)
        }
    }

    /// Runs sequences through the model, and gives each one's hidden states.
    private struct Run {
        let tiny: TinyModel
        let pages: PageStore
        let workspace: Workspace
        let tables: [[Int32]]

        init(_ tiny: TinyModel) throws {
            self.tiny = tiny
            let pages = PageStore(model: tiny.model, contents: .keysAndValues, pages: 24 * 3)
            self.pages = pages
            tables = sequences.map { pages.take(PageStore.pages(for: $0.count)) }
            workspace = try Workspace(
                tiny.model.configuration, rank: tiny.adapter.configuration.rank,
                capacity: sequences.reduce(0) { $0 + $1.count }, training: false, on: tiny.model.backend)
        }

        /// Positions of some sequences, side by side in one pass.
        func rows(_ chosen: [Int], positions: (Int) -> Range<Int>) throws -> [[Float]] {
            var batch = PackedBatch()
            batch.visible.tables = Array(tables.joined())
            let offsets = tables.indices.map { tables[..<$0].reduce(0) { $0 + $1.count } }
            for sequence in chosen {
                let range = positions(sequence)
                batch.append(
                    sequences[sequence][range], firstPosition: range.lowerBound, tableOffset: offsets[sequence],
                    parentFirstRow: nil)
            }
            let transformer = Transformer(model: tiny.model, adapter: tiny.adapter)
            let cache = try pages.cache()
            let hidden = try transformer.forward(
                transformer.prepare(batch, cache: cache, inputs: nil), tokens: batch.tokens, cache: cache,
                workspace: workspace, keep: nil)
            let values = try tiny.model.backend.download(hidden)
            return (0..<hidden.rows).map { Array(values[$0 * hidden.columns..<($0 + 1) * hidden.columns]) }
        }
    }

    @Test(arguments: WeightPrecision.allCases, TestDevice.instructionSets)
    func aloneTogetherAtOnceAndTokenByToken(precision: WeightPrecision, set: InstructionSet) throws {
        var reference: [[Float]] = []
        for threads in [1, 2, 5] {
            let backend = try TestDevice.backend(instructionSet: set, threads: threads)
            let run = try Run(TinyModel("tiny_qwen2", precision: precision, backend: backend))
            let whole = { (sequence: Int) in 0..<Self.sequences[sequence].count }
            let together = try run.rows(Array(0..<24), positions: whole)
            if reference.isEmpty { reference = together }
            #expect(together == reference, "24 prompts at once, \(threads) threads")
            let alone = try (0..<24).flatMap { try run.rows([$0], positions: whole) }
            #expect(alone == reference, "each prompt alone, \(threads) threads")
            var decoded = [[[Float]]](repeating: [], count: 24)
            for position in 0..<40 {
                let running = (0..<24).filter { Self.sequences[$0].count > position }
                let rows = try run.rows(running) { _ in position..<position + 1 }
                for (sequence, row) in zip(running, rows) { decoded[sequence].append(row) }
            }
            #expect(Array(decoded.joined()) == reference, "token by token, up to 24 together, \(threads) threads")
        }
        #expect(reference.allSatisfy { $0.allSatisfy(\.isFinite) } && Set(reference).count == reference.count)
    }
}
