import ApusModel
import ApusTensor
import ApusTestModels
import ApusTestSupport
import Foundation
import Testing

/// Feed-forward networks take some rows at a time: a matter of memory, which no number may show, but for the last bits of
/// gradients on a device whose order of summation depends on the number of rows.
@Suite struct FeedForwardChunkTests {
    /// A prompt of 50 tokens and three completions of 60: 227 rows, four chunks of 64 at most.
    private static let groups = [
        TokenGroup(
            prompt: (0..<50).map { Int32($0 * 7 % 60) },
            completions: (1...3).map { completion in (0..<60).map { Int32(($0 * 5 + completion * 11) % 60) } })
    ]

    private struct Result {
        var logProbs: [[[Float]]]
        var gradients: [Float]

        func isSame(as other: Result) -> Bool {
            guard logProbs == other.logProbs, gradients.count == other.gradients.count else { return false }
            guard TestDevice.gradientsDependOnShapes else { return gradients == other.gradients }
            let largest = gradients.reduce(0) { max($0, abs($1)) }
            return zip(gradients, other.gradients).allSatisfy { abs($0 - $1) < 0.01 * largest }
        }
    }

    private func result(of pass: TrainingPass, rows: Int?, gradients: () throws -> [Float]) throws -> Result {
        pass.feedForwardRows = rows
        let logProbs = try pass.forward(Self.groups).map { $0.map(\.logProbs) }
        try pass.backward(logProbs.map { $0.map { $0.map { -0.5 + $0 / 16 } } })
        return Result(logProbs: logProbs, gradients: try gradients())
    }

    private func adapterResult(_ precision: WeightPrecision, rows: Int?, threads: Int = 2) throws -> Result {
        let tiny = try TinyModel("tiny_llama", precision: precision, backend: TestDevice.backend(threads: threads))
        let pass = TrainingPass(model: tiny.model, adapter: tiny.adapter)
        return try result(of: pass, rows: rows) { try tiny.adapter.gradients }
    }

    private func fullResult(rows: Int?) throws -> Result {
        let parameters = try withModelFolder(copying: "full_parameters/tied") { path in
            try FullParameters(directory: URL(filePath: path), backend: TestDevice.backend(threads: 2))
        }
        let pages = PageStore(model: parameters.model, contents: .training(.recompute), pages: 64)
        let pass = TrainingPass(model: parameters.model, trained: .full(parameters), pages: pages)
        return try result(of: pass, rows: rows) { try parameters.gradients }
    }

    @Test(arguments: WeightPrecision.allCases) func chunksOfTheAdapterChangeNoBit(precision: WeightPrecision) throws {
        let whole = try adapterResult(precision, rows: nil)
        #expect(whole.gradients.contains { $0 != 0 })
        for (rows, threads) in [(64, 2), (64, 1), (128, 3), (192, 2)] {
            let chunked = try adapterResult(precision, rows: rows, threads: threads)
            #expect(chunked.isSame(as: whole), "\(rows) rows, \(threads) threads")
        }
    }

    @Test func chunksOfAllWeightsChangeNoBit() throws {
        let whole = try fullResult(rows: nil)
        #expect(whole.gradients.contains { $0 != 0 })
        for rows in [64, 128] { #expect(try fullResult(rows: rows).isSame(as: whole), "\(rows) rows") }
    }
}
