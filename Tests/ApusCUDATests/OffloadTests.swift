import ApusGeneration
import ApusModel
import ApusTensor
import ApusTestDevices
import ApusTestModels
import CUDAEmulation
import Testing

@testable import ApusCUDA

extension EmulatedCard {
    /// Layer inputs in the host's memory, which come to the card on a stream of their own: nothing changes but where they are.
    @Suite struct OffloadTests {
        private struct Outcome: Equatable {
            var groups: [TokenGroup]
            var scores: [[TokenScores]]
            var likeliest: [[[Bool]]]
            var gradients: [Float]
        }

        /// Samples, trains on what the sampler kept and on what it did not, and looks at tokens in between.
        private func outcome(_ checkpointing: GradientCheckpointing, _ precision: WeightPrecision, runAhead: Bool)
            throws -> Outcome
        {
            cuda_emulation_reset()
            cuda_emulation_set_streams_run_ahead(runAhead ? 1 : 0)
            let tiny = try TinyModel("tiny_qwen2", precision: precision, backend: TestDevice.emulatedCard())
            let pages = PageStore(model: tiny.model, contents: .training(checkpointing), pages: 256)
            let engine = GenerationEngine(model: tiny.model, adapter: tiny.adapter, pages: pages, keepsRollouts: true)
            let pass = TrainingPass(model: tiny.model, trained: .adapter(tiny.adapter), pages: pages)
            let requests = [15, 40].enumerated().map { index, length in
                GenerationRequest(
                    prompt: TokenSequences.tokens(length, seed: index), completions: 3, firstSample: 3 * index)
            }
            let completions = try engine.generate(
                requests, sampling: SamplingParameters(temperature: 0.9, maxNewTokens: 20, seed: 5))
            var groups = zip(requests, completions).map { TokenGroup(prompt: $0.prompt, completions: $1.map(\.tokens)) }
            var result = Outcome(groups: groups, scores: [], likeliest: [], gradients: [])
            for isKept in [true, false] {
                if !isKept {
                    groups = groups.map { TokenGroup(prompt: $0.prompt.reversed(), completions: $0.completions) }
                }
                let scores = try pass.forward(groups, temperature: 0.9)
                result.likeliest += try pass.areLikeliest(scores.map { $0.map { $0.logProbs.map { _ in true } } })
                try pass.backward(groups.map { $0.completions.map { $0.map { Float($0 % 7) - 3 } } })
                result.scores += scores
            }
            #expect(pass.forwardPasses == 1)
            result.gradients = try tiny.adapter.gradients
            return result
        }

        @Test(arguments: [WeightPrecision.nf4, .f32], [false, true])
        func resultsAreTheSame(precision: WeightPrecision, runAhead: Bool) throws {
            let onCard = try outcome(.recompute, precision, runAhead: false)
            let offloaded = try outcome(.offload, precision, runAhead: runAhead)
            #expect(cuda_emulation_launch_count("apus_fetch_rows") > 0)
            #expect(offloaded == onCard)
            #expect(onCard.gradients.contains { $0 != 0 } && onCard.gradients.allSatisfy(\.isFinite))
        }

        private static let cache = KeyValueCache.Shape(
            layers: 1, heads: 1, keyValueHeads: 1, headSize: 16, format: .f32)

        /// A pass over some positions of pages of their own.
        private func pass(
            _ backend: CUDABackend, _ pages: Range<Int32>, rows: Int, _ kept: [KeptRows]
        ) throws -> Pass {
            var batch = PackedBatch()
            let offset = batch.append(table: pages.reversed())
            batch.append(
                [Int32](repeating: 0, count: rows)[...], firstPosition: 0, tableOffset: offset, parentFirstRow: nil)
            return try backend.prepare(batch, for: PassNeeds(cache: Self.cache, width: 64, pages: kept))
        }

        /// Rows that are kept, recalled in any order, written again and let go with their passes, beside the same rows on the
        /// card. Nothing is read before the end.
        @Test(arguments: 0..<6 as Range<UInt64>, [false, true])
        func anyOrderGivesTheRowsThatWereKept(seed: UInt64, runAhead: Bool) throws {
            cuda_emulation_reset()
            cuda_emulation_set_streams_run_ahead(runAhead ? 1 : 0)
            let backend = try TestDevice.emulatedCard()
            let random = Philox(seed: seed)
            var draws: UInt32 = 0
            func next(_ bound: Int) -> Int {
                draws += 1
                return Int(random.words(draws, 0, 0, 0).0) % bound
            }
            let (streams, columns) = (5, 70)
            let kept = try [false, true].map { isOffloaded in
                try backend.makeKeptRows(
                    KeptRows.Shape(
                        streams: streams, columns: columns, isExact: seed % 2 == 0, isOffloaded: isOffloaded),
                    pages: 40)
            }
            func keep(_ pass: Pass, _ stream: Int) throws {
                let values = (0..<pass.rows * columns).map { _ in Float(next(1000)) }
                let x = try backend.makeMatrix(values, rows: pass.rows, columns: columns)
                for kept in kept { backend.keep(x, pass, firstRow: 0, in: kept, stream: stream) }
            }
            var found: [[Matrix]] = []
            for _ in 0..<6 {
                let first = Int32(next(30))
                let pass = try self.pass(backend, first..<first + 10, rows: 1 + next(150), kept)
                for stream in 0..<streams { try keep(pass, stream) }
                var stream = streams - 1
                for _ in 0..<12 {
                    if next(10) == 0 { try keep(pass, next(streams)) }
                    // Mostly as a backward pass asks for them, the first one twice.
                    if next(5) == 0 { stream = next(streams) }
                    let start = next(8) == 0 ? next(pass.rows) : 0
                    found.append(
                        try kept.map { kept in
                            let x = try backend.makeMatrix(rows: pass.rows - start, columns: columns)
                            backend.fill(x, with: .nan)
                            backend.recall(kept, stream: stream, pass, firstRow: start, into: x)
                            return x
                        })
                    stream = max(0, stream - next(4).signum())
                }
            }
            for pair in found { #expect(try backend.download(pair[0]) == backend.download(pair[1])) }
        }

        /// Slots and buffers that are fetched with and not read any more are not used by others before the fetch is done, and
        /// new buffers not before others are done with their memory.
        @Test(arguments: [false, true]) func memoryIsNotSharedWithAFetch(runAhead: Bool) throws {
            cuda_emulation_reset()
            cuda_emulation_set_streams_run_ahead(runAhead ? 1 : 0)
            let backend = try TestDevice.emulatedCard()
            let columns = 64
            let kept = try backend.makeKeptRows(
                KeptRows.Shape(streams: 3, columns: columns, isExact: true, isOffloaded: true), pages: 64)
            func recall(_ pass: Pass, _ rows: Int) throws {
                let x = try backend.makeMatrix(
                    [Float](repeating: 2, count: rows * columns), rows: rows, columns: columns)
                for stream in 0..<3 where rows == pass.rows {
                    backend.keep(x, pass, firstRow: 0, in: kept, stream: stream)
                }
                backend.recall(kept, stream: 2, pass, firstRow: 0, into: x)
                found.append((x, 2))
            }
            var found: [(Matrix, Float)] = []
            // Buffers are as large as the longest pass so far, and what is given back goes to whoever asks for as much.
            for rows in [40, 200, 120, 600, 1000] {
                var pass: Pass? = try self.pass(backend, 0..<64, rows: rows, [kept])
                try recall(try #require(pass), rows)
                try recall(try #require(pass), rows / 2)
                pass = nil
                // Where slots were, and buffers: numbers that are no slots.
                let numbers = try (0..<8).map { _ in
                    try backend.makeIndices([Int32](repeating: 1 << 30, count: rows))
                }
                let next = try self.pass(backend, 0..<64, rows: 1, [kept])
                let matrices = try (0..<4).map { _ in
                    try backend.makeMatrix([Float](repeating: 7, count: rows * columns), rows: rows, columns: columns)
                }
                for matrix in matrices {
                    let copy = try backend.makeMatrix(rows: rows, columns: columns)
                    backend.copy(matrix, into: copy)
                    found.append((copy, 7))
                }
                withExtendedLifetime((numbers, next)) {}
            }
            for (matrix, value) in found { #expect(try backend.download(matrix).allSatisfy { $0 == value }) }
        }

        @Test func keptRowsTakeNothingOfTheCard() throws {
            cuda_emulation_reset()
            let backend = try TestDevice.emulatedCard()
            let shape = KeptRows.Shape(streams: 9, columns: 4096, isExact: false, isOffloaded: true)
            #expect(backend.positionBytes(shape) == 0 && backend.hostBytes(shape) == 9 * 8448)
            var kept: KeptRows? = try backend.makeKeptRows(shape, pages: 1000)
            _ = try pass(backend, 0..<1, rows: 16, [])
            let (onCard, pinned) = (cuda_emulation_used_memory(), cuda_emulation_pinned_memory())
            _ = try pass(backend, 0..<60, rows: 900, [try #require(kept)])
            #expect(cuda_emulation_used_memory() == onCard)
            // 57 pages of 1.16 MiB, in units of 16 MiB.
            #expect(cuda_emulation_pinned_memory() == pinned + 80 << 20)
            cuda_emulation_fail_call("cuMemHostRegister_v2", 1, 2)
            let error = #expect(throws: TensorError.self) {
                _ = try pass(backend, 500..<501, rows: 1, [try #require(kept)])
            }
            #expect(error?.description.hasPrefix("memory: wanted 16 MiB more of main memory for kept rows") == true)
            _ = try pass(backend, 500..<501, rows: 1, [try #require(kept)])
            #expect(cuda_emulation_pinned_memory() == pinned + 96 << 20)
            kept = nil
            #expect(cuda_emulation_pinned_memory() == pinned)
        }

        /// Kernels that are not yet on the stream when the host's memory that they write goes.
        @Test func gatheredKernelsRunBeforeTheHostsMemoryGoes() throws {
            cuda_emulation_reset()
            let backend = try TestDevice.emulatedCard()
            let shape = KeptRows.Shape(streams: 1, columns: 64, isExact: true, isOffloaded: true)
            var kept: KeptRows? = try backend.makeKeptRows(shape, pages: 10)
            let pass = try pass(backend, 0..<2, rows: 20, [try #require(kept)])
            let x = try backend.makeMatrix(rows: 20, columns: 64)
            backend.keep(x, pass, firstRow: 0, in: try #require(kept), stream: 0)
            #expect(cuda_emulation_launch_count("apus_keep_exact") == 0)
            kept = nil
            #expect(cuda_emulation_launch_count("apus_keep_exact") == 1)
            _ = try backend.download(x)
        }

        /// Some systems' cards do not reach main memory: the same run keeps its rows on the card.
        @Test func rowsStayOnACardThatDoesNotReachMainMemory() throws {
            cuda_emulation_reset()
            cuda_emulation_set_shares_host_addresses(0)
            let tiny = try TinyModel("tiny_llama", precision: .nf4, backend: TestDevice.emulatedCard())
            let pages = PageStore(model: tiny.model, contents: .training(.offload), pages: 64)
            let plain = PageStore(model: tiny.model, contents: .training(.recompute), pages: 64)
            #expect(pages.hostBytes == 0 && pages.inputBytes == plain.inputBytes)
            let pinned = cuda_emulation_pinned_memory()
            let scores = try [pages, plain].map { pages in
                try TrainingPass(model: tiny.model, trained: .adapter(tiny.adapter), pages: pages).forward(tiny.groups)
            }
            #expect(scores[0] == scores[1] && cuda_emulation_pinned_memory() == pinned)
        }

        @Test func thePlanKnowsWhatLiesInMainMemory() throws {
            cuda_emulation_reset()
            let tiny = try TinyModel("tiny_qwen2", precision: .nf4, backend: TestDevice.emulatedCard())
            func plan(_ checkpointing: GradientCheckpointing) throws -> MemoryPlan {
                var run = PlannedRun(
                    model: tiny.model.configuration, precision: .nf4, adapter: LoRAConfiguration(rank: 8))
                (run.prompts, run.promptTokens, run.completionTokens) = (4, 20, 40)
                run.checkpointing = checkpointing
                return try MemoryPlan(run, utilization: 0.8, backend: tiny.model.backend)
            }
            let (onCard, offloaded) = (try plan(.recompute), try plan(.offload))
            let host = try #require(offloaded.offloaded)
            #expect(onCard.offloaded == nil && host.least > 0 && host.least < host.wanted)
            #expect(onCard.wantedPages == offloaded.wantedPages + host.wanted)
            #expect(onCard.leastPages == offloaded.leastPages + host.least)
            #expect(onCard.total > offloaded.total && offloaded.verdict == .fits)
        }

        /// Each of the two budgets may be the one that is short.
        @Test func theHostsMemoryBoundsPages() throws {
            cuda_emulation_reset()
            let tiny = try TinyModel("tiny_llama", precision: .nf4, backend: TestDevice.emulatedCard())
            let plain = PageStore(model: tiny.model, contents: .training(.recompute), pages: 1)
            func store(_ hostBytes: Int) -> PageStore {
                PageStore(
                    model: tiny.model, contents: .training(.offload), budget: MemoryBudget(bytes: 1 << 20),
                    hostBytes: hostBytes)
            }
            #expect(store(1 << 30).pageCount == (1 << 20) / plain.keyValueBytes)
            #expect(store(1 << 30).inputBytes == 0)
            let scarce = store(10 * plain.inputBytes + 1)
            #expect(scarce.pageCount == 10)
            let error = scarce.shortage(of: 1 << 12, for: .trainingPass)
            #expect(error.wanted == plain.inputBytes << 12 && error.found == 10 * plain.inputBytes + 1)
            #expect(error.finding.contains("MiB of main memory for the rows of one pass of training"))
        }
    }
}
