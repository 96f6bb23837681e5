import ApusTensor
import CKernels

/// The pages of one layer for an `AttentionShape`, driven through one kernel table as the backend drives it: full pages
/// of the prompt are shared, its half-filled last page is copied to every sequence, and slots that hold no key are
/// garbage.
final class PagedAttention {
    let shape: AttentionShape
    let inputs: AttentionInputs
    private let kernels: apus_attention_kernels
    private var pages: apus_pages
    private var tables: [Int32] = []
    private let tableLength: Int

    /// What the forward pass writes.
    struct Output: Equatable {
        var out: [Float]
        var logSumExp: [Float]
    }

    /// What the backward pass writes and adds to. The prefix gradients are separate, as the interface has them.
    struct Gradients: Equatable {
        var q, k, v, prefixK, prefixV: [Float]
    }

    /// Tables by name that this processor can run.
    static let instructionSets: [String] = {
        let names: [String] = InstructionSet.allCases.map(\.rawValue)
        return names.filter { name in apus_kernels_named(name) != nil }
    }()

    init(_ shape: AttentionShape, _ inputs: AttentionInputs, instructionSet: String, garbage: Float = .nan) {
        self.shape = shape
        self.inputs = inputs
        kernels = apus_kernels_named(instructionSet).pointee.attention
        tableLength = (shape.longest + 15) / 16
        // Page 0 stays unused: a kernel that mixes up page numbers and table entries meets garbage.
        let pageFloats = (shape.sequences * tableLength + 1) * shape.keyValueWidth * 16
        pages = apus_pages(
            keys: .allocate(capacity: pageFloats), values: .allocate(capacity: pageFloats),
            heads: Int32(shape.heads), kv_heads: Int32(shape.keyValueHeads), head_size: Int32(shape.headSize),
            scale: Float(shape.scale))
        pages.keys.initialize(repeating: garbage, count: pageFloats)
        pages.values.initialize(repeating: garbage, count: pageFloats)
        writePages()
    }

    deinit {
        pages.keys.deallocate()
        pages.values.deallocate()
    }

    private func writePages() {
        var rows: [Int32] = []
        var slots: [Int32] = []
        let shared = shape.prompt / 16
        for sequence in 0..<shape.sequences {
            // Descending numbers: neighbours in a table are not neighbours in memory.
            let own = (0..<tableLength).map { Int32((sequence + 1) * tableLength - $0) }
            tables += sequence == 0 ? own : Array(tables[..<shared] + own[shared...])
            for (position, row) in shape.rowsByPosition(sequence).enumerated()
            where sequence == 0 || position >= shared * 16 {
                rows.append(Int32(row))
                slots.append(tables[sequence * tableLength + position / 16] * 16 + Int32(position % 16))
            }
        }
        kernels.write(
            &pages, inputs.k, shape.keyValueWidth, inputs.v, shape.keyValueWidth, rows, slots, Int32(rows.count))
    }

    /// Forward over the rows in the order given, in pieces of row ranges (indices into `order`) and key/value heads.
    func forward(order: [Int], pieces: [(rows: Range<Int>, heads: Range<Int>)]) -> Output {
        let width = shape.width
        var offsets: [Int32] = Array(repeating: 0, count: shape.rows)
        var contexts = offsets
        for sequence in 0..<shape.sequences {
            for (position, row) in shape.rowsByPosition(sequence).enumerated()
            where shape.ownRows(sequence).contains(row) {
                offsets[row] = Int32(sequence * tableLength)
                contexts[row] = Int32(position + 1)
            }
        }
        let q = order.flatMap { inputs.q[($0 * width)..<(($0 + 1) * width)] }
        var result = Output(
            out: Array(repeating: .nan, count: order.count * width),
            logSumExp: Array(repeating: .nan, count: order.count * shape.heads))
        var scratch = [Float](repeating: .nan, count: kernels.forward_scratch(&pages, Int32(shape.longest)))
        let orderedOffsets = order.map { offsets[$0] }
        let orderedContexts = order.map { contexts[$0] }
        orderedOffsets.withUnsafeBufferPointer { offsets in
            orderedContexts.withUnsafeBufferPointer { contexts in
                tables.withUnsafeBufferPointer { tables in
                    var visible = apus_visibility(
                        tables: tables.baseAddress, table_offset: offsets.baseAddress, context: contexts.baseAddress)
                    for piece in pieces {
                        kernels.forward(
                            &pages, &visible, q, width, &result.out, width, &result.logSumExp,
                            Int32(piece.rows.lowerBound), Int32(piece.rows.upperBound),
                            Int32(piece.heads.lowerBound), Int32(piece.heads.upperBound), &scratch)
                    }
                }
            }
        }
        return result
    }

    /// Forward over all rows in one call.
    func forward() -> Output {
        forward(order: Array(0..<shape.rows), pieces: [(0..<shape.rows, 0..<shape.keyValueHeads)])
    }

    /// Backward of the sequences in the order given, onto gradients that all begin at `start`.
    func backward(_ forward: Output, sequences: [Int], start: Float = 0) -> Gradients {
        let keyValueWidth = shape.keyValueWidth
        let keyValueGradient = [Float](repeating: start, count: shape.rows * keyValueWidth)
        let prefixGradient = [Float](repeating: start, count: shape.prompt * keyValueWidth)
        var result = Gradients(
            q: Array(repeating: .nan, count: shape.rows * shape.width), k: keyValueGradient, v: keyValueGradient,
            prefixK: prefixGradient, prefixV: prefixGradient)
        var scratch = [Float](repeating: .nan, count: kernels.backward_scratch(&pages, Int32(shape.longest)))
        tables.withUnsafeBufferPointer { tables in
            for sequence in sequences {
                let rows = shape.ownRows(sequence)
                var run = apus_run(
                    first_row: Int32(rows.lowerBound), rows: Int32(rows.count),
                    first_position: Int32(sequence == 0 ? 0 : shape.prompt),
                    table: tables.baseAddress.map { $0 + sequence * tableLength })
                for head in 0..<shape.keyValueHeads {
                    kernels.backward(
                        &pages, &run, Int32(head), inputs.q, shape.width, forward.out, inputs.outputGradient,
                        shape.width, forward.logSumExp, &result.q, shape.width, &result.k, &result.v, keyValueWidth,
                        &result.prefixK, &result.prefixV, &scratch)
                }
            }
        }
        return result
    }
}
