import ApusCPU
import ApusTensor
import CKernels

/// The pages of one layer for an `AttentionShape`, driven through one kernel table as the backend drives it: full pages
/// of the prompt are shared, its half-filled last page is copied to every sequence, and slots that hold no key are
/// garbage.
final class PagedAttention {
    let shape: AttentionShape
    let inputs: AttentionInputs
    private let kernels: apus_attention_kernels
    private let isFixed: Bool
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

    /// Kernels and the format of their pages.
    struct Subject: CustomStringConvertible {
        var instructionSet: String
        var isFixed: Bool
        var description: String { "\(instructionSet), \(isFixed ? "16 bits" : "fp32")" }
    }

    /// All that this processor can run.
    static let subjects = instructionSets.flatMap {
        [Subject(instructionSet: $0, isFixed: false), Subject(instructionSet: $0, isFixed: true)]
    }

    /// Tables by name that this processor can run.
    static let instructionSets: [String] = {
        let names: [String] = InstructionSet.allCases.map(\.rawValue)
        return names.filter { name in apus_kernels_named(name) != nil }
    }()

    init(_ shape: AttentionShape, _ inputs: AttentionInputs, _ subject: Subject, garbage: Float = .nan) {
        self.shape = shape
        self.inputs = inputs
        isFixed = subject.isFixed
        kernels = apus_kernels_named(subject.instructionSet).pointee.attention
        tableLength = (shape.longest + 15) / 16
        // Page 0 stays unused: a kernel that mixes up page numbers and table entries meets garbage.
        let record = apus_page_bytes(Int32(shape.headSize), isFixed ? 1 : 0)
        let bytes = (shape.sequences * tableLength + 1) * shape.keyValueHeads * record
        let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
        memory.initializeMemory(as: Float.self, repeating: garbage, count: bytes / 4)
        pages = apus_pages(
            base: memory, fixed: isFixed ? 1 : 0, heads: Int32(shape.heads), kv_heads: Int32(shape.keyValueHeads),
            head_size: Int32(shape.headSize), scale: Float(shape.scale), soft_cap: shape.softCap,
            window: Int32(shape.window))
        writePages()
    }

    deinit { pages.base.deallocate() }

    /// Fills the pages of a sequence that end before `position`, every byte as in `garbage`.
    func spoil(sequence: Int, before position: Int, with garbage: Float) {
        let page = shape.keyValueHeads * apus_page_bytes(Int32(shape.headSize), isFixed ? 1 : 0)
        for number in tables[(sequence * tableLength)...].prefix(max(position, 0) / 16) {
            (pages.base + Int(number) * page).initializeMemory(as: Float.self, repeating: garbage, count: page / 4)
        }
    }

    /// What the kernels compute with: queries, keys and values after rounding, read back from where the layout says.
    func roundedInputs() -> AttentionInputs {
        guard isFixed else { return inputs }
        var rounded = inputs
        let size = shape.headSize
        for block in stride(from: 0, to: size, by: 32) {
            for head in 0..<shape.rows * shape.heads {
                let range = (head * size + block)..<(head * size + min(block + 32, size))
                let largest = inputs.q[range].reduce(0) { max($0, abs($1)) }
                for i in range {
                    let integer = (inputs.q[i] * (8191 / largest)).rounded(.toNearestOrEven)
                    rounded.q[i] = integer * (largest / 8191)
                }
            }
        }
        for sequence in 0..<shape.sequences {
            for (position, row) in shape.rowsByPosition(sequence).enumerated() {
                let page = Int(tables[sequence * tableLength + position / 16])
                for head in 0..<shape.keyValueHeads {
                    let at = row * shape.keyValueWidth + head * size
                    for d in 0..<size {
                        (rounded.k[at + d], rounded.v[at + d]) = widened(page, head, slot: position % 16, element: d)
                    }
                }
            }
        }
        return rounded
    }

    private func widened(_ page: Int, _ head: Int, slot: Int, element: Int) -> (key: Float, value: Float) {
        let size = shape.headSize
        let record = pages.base + (page * shape.keyValueHeads + head) * apus_page_bytes(Int32(size), 1)
        let keyScales = 32 * size
        let valueScales = keyScales + 64 * ((size + 31) / 32)
        let width = (size + 15) / 16 * 16
        func integer(_ offset: Int, _ index: Int) -> Float {
            Float(record.load(fromByteOffset: offset + 2 * index, as: Int16.self))
        }
        func scale(_ offset: Int, _ index: Int) -> Float {
            record.load(fromByteOffset: offset + 4 * index, as: Float.self)
        }
        let key = integer(0, 2 * (element / 2 * 16 + slot) + element % 2)
        let value = integer(valueScales + 64, 2 * (slot / 2 * width + element) + slot % 2)
        return (key * scale(keyScales, element / 32 * 16 + slot), value * scale(valueScales, slot))
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
