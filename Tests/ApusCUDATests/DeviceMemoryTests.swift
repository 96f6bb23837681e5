import ApusModel
import ApusTensor
import ApusTestDevices
import ApusTestModels
import CUDAEmulation
import Testing

@testable import ApusCUDA

extension EmulatedCard {
    /// Pieces and pages share a card's memory, which is taken when it is needed and goes where it is.
    @Suite struct DeviceMemoryTests {
        /// A card of so many MiB.
        private func card(_ mebibytes: Int) throws -> CUDABackend {
            cuda_emulation_reset()
            cuda_emulation_set_total_memory(mebibytes << 20)
            return try TestDevice.emulatedCard()
        }

        private func shortage(_ body: () throws -> Void) throws -> DeviceShortage {
            try #require(try #require(throws: TensorError.self) { try body() }.shortage)
        }

        /// Pages of 1 MiB.
        private static let shape = KeyValueCache.Shape(
            layers: 4, heads: 64, keyValueHeads: 64, headSize: 64, format: .fixed)

        private func pass(_ backend: CUDABackend, _ pages: [Int32], of memory: PagedMemory...) throws -> Pass {
            var batch = PackedBatch()
            for page in pages {
                let offset = batch.append(table: [page])
                batch.append([0], firstPosition: 0, tableOffset: offset, parentFirstRow: nil)
            }
            return try backend.prepare(batch, for: PassNeeds(cache: Self.shape, width: 64, pages: memory))
        }

        @Test func pagesHaveMemoryWhenTheyAreWritten() throws {
            let backend = try card(256)
            #expect(backend.pageBytes(Self.shape) == 1 << 20)
            // What every pass works in.
            _ = try pass(backend, [0])
            let before = cuda_emulation_used_memory()
            var cache: KeyValueCache? = try backend.makeCache(Self.shape, pages: 1000)
            let kept = try backend.makeKeptRows(KeptRows.Shape(streams: 3, columns: 4096, isExact: false), pages: 1000)
            #expect(cuda_emulation_used_memory() == before)
            let pass = try self.pass(backend, [3, 700], of: try #require(cache), kept)
            // A granule for each page, or two.
            #expect(before + 8 << 20...before + 12 << 20 ~= cuda_emulation_used_memory())
            let before2 = cuda_emulation_used_memory()
            _ = try self.pass(backend, [3, 2, 701], of: try #require(cache), kept)
            #expect(cuda_emulation_used_memory() == before2, "they lie in granules that are there")
            try backend.copyPage(3, to: 900, of: try #require(cache))
            #expect(cuda_emulation_used_memory() == before2 + 2 << 20)
            try withExtendedLifetime(pass) { _ = try backend.download(backend.makeMatrix(rows: 1, columns: 1)) }
            cache = nil
            #expect(cuda_emulation_used_memory() == before2 - 4 << 20, "what a cache had is the driver's again")
        }

        @Test func memoryGoesWhereItIsNeeded() throws {
            let backend = try card(100)
            _ = try pass(backend, [0])
            let cache = try backend.makeCache(Self.shape, pages: 1000)
            let found = try shortage { _ = try pass(backend, (0..<100).map { $0 }, of: cache) }
            #expect(found.limit == 90 << 20 && found.wanted == 1 << 20 && found.left < 2 << 20)
            backend.discardPages((0..<100).map { $0 }, of: [cache])
            #expect(backend.availablePages(of: [cache], pageBytes: 1 << 20) > 60)
            // What pages had is a matrix, and the other way round.
            var matrix: Matrix? = try backend.makeMatrix(rows: 66, columns: 1 << 18)
            #expect(backend.availablePages(of: [cache], pageBytes: 1 << 20) < 8)
            #expect(try shortage { _ = try pass(backend, [0, 30, 60, 90], of: cache) }.left < 8 << 20)
            #expect(try shortage { _ = try backend.makeMatrix(rows: 20, columns: 1 << 18) }.wanted == 20 << 20)
            matrix = nil
            backend.discardPages([0, 30, 60, 90], of: [cache])
            _ = try pass(backend, (10..<40).map { $0 }, of: cache)
            _ = try backend.makeMatrix(rows: 30, columns: 1 << 18)
            withExtendedLifetime(matrix) {}
        }

        /// Kernels that are not yet on the stream when what they write is given back.
        @Test func gatheredKernelsRunBeforeTheirMemoryGoes() throws {
            let backend = try card(256)
            let shape = KeptRows.Shape(streams: 1, columns: 8192, isExact: true)
            var kept: KeptRows? = try backend.makeKeptRows(shape, pages: 10)
            let pass = try self.pass(backend, [3], of: try #require(kept))
            let row = try backend.makeMatrix(rows: 1, columns: 8192)
            backend.keep(row, pass, firstRow: 0, in: try #require(kept), stream: 0)
            #expect(cuda_emulation_launch_count("apus_keep_exact") == 0)
            kept = nil
            #expect(cuda_emulation_launch_count("apus_keep_exact") == 1)
            _ = try backend.download(row)
        }

        /// A workspace that grows as batches do, between indices that come and go, wastes no more than its own growth.
        @Test func growthLeavesNoHoles() throws {
            let backend = try card(400)
            var kept: [Matrix] = []
            for rows in stride(from: 64, through: 256, by: 16) {
                let indices = try backend.makeIndices(Array(repeating: 0, count: 1000))
                kept = []
                // Of the last one, 16 of 20 MiB each: 320 of 360.
                kept = try (0..<16).map { _ in try backend.makeMatrix(rows: rows, columns: 5 << 12) }
                withExtendedLifetime(indices) {}
            }
            #expect(cuda_emulation_used_memory() <= 360 << 20 && kept.count == 16)
        }

        /// Pieces and pages that come and go at random hold what was written to them.
        @Test(arguments: 0..<4 as Range<UInt64>) func nothingLiesInAnothersPlace(seed: UInt64) throws {
            let backend = try card(60)
            let random = Philox(seed: seed)
            var draws: UInt32 = 0
            func next(_ bound: Int) -> Int {
                draws += 1
                return Int(random.words(draws, 0, 0, 0).0) % bound
            }
            var pieces: [(matrix: Matrix, value: Float)] = []
            let kept = try backend.makeKeptRows(KeptRows.Shape(streams: 1, columns: 8192, isExact: true), pages: 200)
            var pages: [Int32: Float] = [:]
            var failures = 0
            for step in 0..<400 {
                let value = Float(step)
                do {
                    switch next(5) {
                    case 0, 1:
                        let matrix = try backend.makeMatrix(rows: 1 + next(400), columns: 1 + next(3000))
                        backend.fill(matrix, with: value)
                        pieces.append((matrix, value))
                    case 2 where !pieces.isEmpty:
                        let gone = pieces.remove(at: next(pieces.count))
                        #expect(try backend.download(gone.matrix).allSatisfy { $0 == gone.value })
                    case 3:
                        let page = Int32(next(200))
                        let pass = try self.pass(backend, [page], of: kept)
                        let row = try backend.makeMatrix([Float](repeating: value, count: 8192), rows: 1, columns: 8192)
                        backend.keep(row, pass, firstRow: 0, in: kept, stream: 0)
                        pages[page] = value
                    case 4:
                        guard let (page, value) = pages.randomElement() else { continue }
                        let row = try backend.makeMatrix(rows: 1, columns: 8192)
                        backend.recall(kept, stream: 0, try pass(backend, [page], of: kept), firstRow: 0, into: row)
                        #expect(try backend.download(row).allSatisfy { $0 == value })
                        if next(2) == 0 {
                            backend.discardPages([page], of: [kept])
                            pages[page] = nil
                        }
                    default: break
                    }
                } catch let error as TensorError {
                    try #require(error.shortage != nil, "\(error)")
                    failures += 1
                    backend.discardPages(Array(pages.keys), of: [kept])
                    pages = [:]
                    pieces.removeSubrange(..<(pieces.count / 2))
                }
                #expect(cuda_emulation_used_memory() <= 54 << 20)
            }
            #expect(failures > 0, "the card was never full")
            for piece in pieces { #expect(try backend.download(piece.matrix).allSatisfy { $0 == piece.value }) }
        }

        /// Each would have taken most of the card when it was made.
        @Test func twoStoresOfPagesShareACard() throws {
            cuda_emulation_reset()
            let tiny = try TinyModel("tiny_llama", precision: .nf4, backend: TestDevice.emulatedCard())
            let passes = (0..<2).map { _ in TrainingPass(model: tiny.model, adapter: tiny.adapter) }
            let scores = try passes.map { try $0.forward(tiny.groups) }
            #expect(scores[0] == scores[1])
            #expect(cuda_emulation_used_memory() < 200 << 20)
        }

        @Test(arguments: ["cuMemCreate", "cuMemMap", "cuMemSetAccess"])
        func aDriverThatRefuses(call: String) throws {
            let backend = try card(256)
            let cache = try backend.makeCache(Self.shape, pages: 10)
            let before = cuda_emulation_used_memory()
            cuda_emulation_fail_call(call, 1, 1)
            #expect(throws: TensorError.self) { _ = try pass(backend, [0], of: cache) }
            #expect(cuda_emulation_used_memory() == before)
            // Another process may have the memory that the limit leaves.
            cuda_emulation_fail_call("cuMemCreate", 1, 2)
            #expect(try shortage { _ = try pass(backend, [0], of: cache) }.wanted == 1 << 20)
            _ = try pass(backend, [0], of: cache)
        }
    }
}
