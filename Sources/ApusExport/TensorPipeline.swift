import ApusFormats
import ApusModel
import Dispatch
import Foundation
import Synchronization

/// Takes tensors through reading, merging and encoding on all cores, a few pieces at a time, and hands the results on in
/// order.
struct TensorPipeline {
    /// Elements of a piece, about.
    private static let pieceElements = 1 << 20
    /// Rows of a piece are a multiple of this, so that a piece is a whole number of any format's blocks.
    private static let rowMultiple = 64

    let threads: Int

    init() { threads = max(1, ProcessInfo.processInfo.activeProcessorCount) }

    /// The row ranges that a tensor is cut into.
    static func pieces(rows: Int, width: Int) -> [Range<Int>] {
        let count = max(rowMultiple, pieceElements / max(width, 1) / rowMultiple * rowMultiple)
        return stride(from: 0, to: rows, by: count).map { $0..<min($0 + count, rows) }
    }

    /// Makes the result of every piece, up to `threads` at once, and consumes them in order.
    ///
    /// - Throws: the first error in the order of the pieces.
    func run<Piece: Sendable>(
        _ ranges: [Range<Int>], make: @Sendable (Range<Int>) throws -> Piece, consume: (Piece) throws -> Void
    ) throws {
        for first in stride(from: 0, to: ranges.count, by: threads) {
            let batch = Array(ranges[first..<min(first + threads, ranges.count)])
            let results = Mutex([Result<Piece, any Error>?](repeating: nil, count: batch.count))
            withoutActuallyEscaping(make) { make in
                DispatchQueue.concurrentPerform(iterations: batch.count) { index in
                    let result = Result { try make(batch[index]) }
                    results.withLock { $0[index] = result }
                }
            }
            for result in results.withLock({ $0 }) {
                guard let result else { preconditionFailure("every piece has a result") }
                try consume(result.get())
            }
        }
    }
}

extension MergedTensor {
    /// Encodes the whole tensor and appends it piece by piece.
    ///
    /// - Parameter order: the row order of a GGUF file; nil for Hugging Face's.
    func encode(
        as type: ElementType, in layout: CheckpointLayout, through pipeline: TensorPipeline,
        append: ([UInt8]) throws -> Void
    ) throws {
        try pipeline.run(TensorPipeline.pieces(rows: rowCount, width: width)) { range in
            let values = try rows(range, in: layout)
            if type == .f16 { try checkRange(values) }
            return type.encode(values)
        } consume: {
            try append($0)
        }
        checkpoint.finish(role)
    }

    private func checkRange(_ values: [Float]) throws {
        guard let value = values.first(where: { abs($0) > 65504 }) else { return }
        throw ExportError(
            "tensor '\(checkpoint.configuration.huggingFaceLayout.name(of: role))' holds \(value), wanted at most 65504, float16's largest; use bf16"
        )
    }
}
