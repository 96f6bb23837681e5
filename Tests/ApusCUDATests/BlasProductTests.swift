import ApusTensor
import ApusTestModels
import CCUDA
import CUDAEmulation
import Testing

@testable import ApusCUDA

extension EmulatedCard {
    /// Products of gradients through the library: what it is asked, what is reserved, and what happens where it fails.
    @Suite struct BlasProductTests {
        /// A weight of 72 x 64 in NF4, some rows, and room for their products.
        private struct Bench {
            let backend: CUDABackend
            let weight: Weight
            let x: Matrix
            let y: Matrix

            init(_ backend: CUDABackend, rows: Int = 100) throws {
                self.backend = backend
                weight = try backend.makeWeight(.nf4, outputs: 72, inputs: 64) { range, values in
                    for (index, row) in range.enumerated() {
                        for column in 0..<64 { values[index * 64 + column] = Float((row * 7 + column * 3) % 17) - 8 }
                    }
                }
                x = try backend.makeMatrix((0..<rows * 64).map { Float($0 % 13) - 6.3 }, rows: rows, columns: 64)
                y = try backend.makeMatrix(rows: rows, columns: 72)
                _ = try backend.prepare(
                    PackedBatch(),
                    for: PassNeeds(
                        cache: KeyValueCache.Shape(layers: 1, heads: 1, keyValueHeads: 1, headSize: 16, format: .f32),
                        width: 72, isTraining: true))
            }

            func product(of rows: Range<Int>? = nil, for use: ProductUse = .gradients) throws -> [Float] {
                let rows = rows ?? 0..<x.rows
                let output = y.rows(rows)
                let product = LinearProduct(weight: weight, bias: nil, lowRank: nil, projected: nil, output: output)
                backend.linear(x.rows(rows), [product], for: use)
                return try backend.download(output)
            }
        }

        private func calls(_ function: String) -> Int { Int(cuda_emulation_call_count(function)) }
        private var products: Int { calls("cublasLtMatmul") }
        private var questions: Int { calls("cublasLtMatmulAlgoGetHeuristic") }

        @Test func scoresAreOurOwnKernels() throws {
            cuda_emulation_reset()
            let bench = try Bench(TestDevice.emulatedCard())
            let scores = try bench.product(for: .scores)
            #expect(products == 0)
            let alone = try Bench(TestDevice.emulatedCard(hasBlas: false))
            #expect(try alone.product(for: .scores) == scores)
            #expect(try alone.product(for: .gradients) == scores)
            _ = try bench.product(for: .gradients)
            #expect(products > 0)
        }

        @Test func theLibraryIsAskedOnceForAProduct() throws {
            cuda_emulation_reset()
            let bench = try Bench(TestDevice.emulatedCard())
            let first = try bench.product()
            let (asked, multiplied) = (questions, products)
            #expect(asked > 0)
            for _ in 0..<3 { #expect(try bench.product() == first) }
            #expect(questions == asked && products == 4 * multiplied)
            _ = try bench.product(of: 0..<90)
            #expect(questions > asked)
        }

        @Test func plansAreBounded() throws {
            cuda_emulation_reset()
            let bench = try Bench(TestDevice.emulatedCard())
            let blas = try #require(bench.backend.blas)
            for rows in 1...3000 {
                bench.backend.attempt { () throws(TensorError) in
                    _ = try blas.plan(
                        BlasProduct(
                            rows: rows, columns: 8, depth: 8, xStride: 8, weightStride: 8, yStride: 8,
                            isWeightTransposed: true))
                }
            }
            #expect(questions == 3000)
            let kept = calls("cublasLtMatrixLayoutCreate") - calls("cublasLtMatrixLayoutDestroy")
            #expect(kept > 0 && kept <= 3 * 1024)
            _ = try bench.product()
        }

        /// A rank that is no multiple of 8 leaves gaps in the rooms, where nothing has been written before.
        @Test(arguments: [4, 12]) func gapsAreZeros(rank: Int) throws {
            cuda_emulation_reset()
            let bench = try Bench(TestDevice.emulatedCard())
            let backend = bench.backend
            func matrix(_ rows: Int, _ columns: Int) throws -> Matrix {
                try backend.makeMatrix((0..<rows * columns).map { Float($0 % 5) - 2 }, rows: rows, columns: columns)
            }
            let pair = LowRank(
                a: try backend.makeAdapterWeight(outputs: rank, inputs: 64, beside: .nf4),
                b: try backend.makeAdapterWeight(outputs: 72, inputs: rank, beside: .nf4))
            backend.repack([
                Repacking(pair.a, from: try matrix(rank, 64)), Repacking(pair.b, from: try matrix(72, rank)),
            ])
            let (projected, dx) = (try matrix(100, rank), try matrix(100, 64))
            let adapter = LinearGradient.Adapter(
                lowRank: pair, projected: projected, dProjected: try matrix(100, rank),
                aGradient: try matrix(rank, 64), bGradient: try matrix(72, rank), scale: 1)
            backend.linearBackward(
                [LinearGradient(dOutput: try matrix(100, 72), weight: bench.weight, adapter: adapter)],
                input: bench.x, dx: dx, accumulate: false)
            #expect(try backend.download(dx).allSatisfy(\.isFinite))
            backend.linear(
                bench.x,
                [
                    LinearProduct(
                        weight: bench.weight, bias: nil, lowRank: pair, projected: projected, output: bench.y)
                ], for: .gradients)
            #expect(try backend.download(bench.y).allSatisfy(\.isFinite))
            #expect(products == 4)
        }

        /// A card whose memory is counted in pieces of a few pages.
        private func finelyCounted() {
            cuda_emulation_reset()
            cuda_emulation_set_total_memory(32 << 20)
            cuda_emulation_set_granularity(4096)
        }

        /// Whatever a pass multiplies, it has the room that was made before it.
        @Test func nothingIsReservedMidway() throws {
            finelyCounted()
            let bench = try Bench(TestDevice.emulatedCard())
            let used = bench.backend.memory.used
            _ = try bench.product()
            bench.backend.linearBackward(
                [LinearGradient(dOutput: bench.y, weight: bench.weight, adapter: nil)], input: bench.x, dx: bench.x,
                accumulate: false)
            _ = try bench.backend.download(bench.x)
            #expect(bench.backend.memory.used == used)
        }

        @Test func passesThatDoNotTrainReserveNothing() throws {
            finelyCounted()
            let shape = KeyValueCache.Shape(layers: 1, heads: 1, keyValueHeads: 1, headSize: 16, format: .f32)
            let backend = try TestDevice.emulatedCard()
            _ = try backend.prepare(PackedBatch(), for: PassNeeds(cache: shape, width: 64))
            let used = backend.memory.used
            _ = try backend.prepare(PackedBatch(), for: PassNeeds(cache: shape, width: 64, isTraining: true))
            #expect(abs(backend.memory.used - used - backend.productLimits.byteCount) <= 32 << 10)
            let (with, without) = (backend, try TestDevice.emulatedCard(hasBlas: false))
            let bytes = [with, without].map {
                $0.scratchBytes(shape, maxContext: 64, vocabularySize: 64, hiddenSize: 64)
            }
            #expect(bytes[0] - bytes[1] == backend.productLimits.byteCount)
        }

        /// Below the limits of cards our own kernels compute everything.
        @Test func fewRowsAreOurOwnKernels() throws {
            cuda_emulation_reset()
            #expect(ProductLimits().leastRows > 100)
            let backend = try TestDevice.emulatedCard(productLimits: ProductLimits())
            let few = try Bench(backend).product()
            #expect(products == 0)
            #expect(try Bench(TestDevice.emulatedCard(hasBlas: false)).product() == few)
            _ = try Bench(backend, rows: ProductLimits().leastRows).product()
            #expect(products > 0)
        }

        // MARK: Failures

        /// A product that the library has no algorithm for: nothing is half done, and it is not asked again.
        @Test func withoutAnAlgorithm() throws {
            cuda_emulation_reset()
            defer { cuda_emulation_reset() }
            let expected = try Bench(TestDevice.emulatedCard(hasBlas: false), rows: 1000).product()
            let bench = try Bench(TestDevice.emulatedCard(), rows: 1000)
            // The first piece of the rows has one, the second has none.
            cuda_emulation_fail_call("cublasLtMatmulAlgoGetHeuristic", 2, CUresult(CUBLAS_STATUS_NOT_SUPPORTED))
            #expect(try bench.product() == expected)
            #expect(try bench.product() == expected)
            #expect(questions == 2 && products == 0)
        }

        @Test(arguments: [
            ("cublasLtMatmul", CUBLAS_STATUS_EXECUTION_FAILED, "execution failed (13); the card has failed: continue"),
            ("cublasLtMatmul", CUBLAS_STATUS_INVALID_VALUE, "invalid value (7); use a cuBLAS that is no newer"),
            ("cublasLtMatmulAlgoGetHeuristic", CUBLAS_STATUS_INVALID_VALUE, "invalid value (7); use a cuBLAS"),
            ("cublasLtMatrixLayoutCreate", CUBLAS_STATUS_ALLOC_FAILED, "allocation failed (3); use a cuBLAS"),
        ]) func aProductThatFails(call: String, code: Int, expected: String) throws {
            cuda_emulation_reset()
            defer { cuda_emulation_reset() }
            let bench = try Bench(TestDevice.emulatedCard())
            cuda_emulation_fail_call(call, 1, CUresult(code))
            for _ in 0..<2 {
                let error = try #require(throws: TensorError.self) { try bench.product() }
                #expect(error.description.hasPrefix("CUDA: cuBLASLt, "))
                #expect(error.description.contains(expected) && !error.description.contains("\n"))
            }
            #expect(throws: TensorError.self) { try bench.backend.download(bench.x) }
        }
    }

    /// How rows and weights are cut to the rooms.
    @Suite struct ProductLimitsTests {
        @Test func piecesFitAndCoverEverything() throws {
            var limits = ProductLimits()
            (limits.rowBytes, limits.weightBytes) = (100 << 10, 200 << 10)
            for count in [1, 63, 64, 300, 799, 800, 801, 5000] {
                let cuts = [
                    (try #require(limits.pieces(ofRows: count, width: 64)), 800, 64),
                    (try #require(limits.pieces(ofWeight: count, width: 64, more: 16)), 1584, 128),
                ]
                for (pieces, most, grain) in cuts {
                    #expect(pieces.first?.lowerBound == 0 && pieces.last?.upperBound == count)
                    #expect(zip(pieces, pieces.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
                    #expect(pieces.allSatisfy { $0.count <= most && $0.lowerBound % grain == 0 && !$0.isEmpty })
                    #expect(pieces.count == 1 || count > most)
                }
            }
            #expect(limits.pieces(ofRows: 1000, width: 801) == nil)
            #expect(limits.pieces(ofRows: 60, width: 801) == [0..<60])
            #expect(limits.pieces(ofWeight: 1000, width: 801) == nil)
        }
    }
}
