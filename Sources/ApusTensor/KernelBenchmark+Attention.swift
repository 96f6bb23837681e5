extension KernelBenchmark {
    /// The group of the GRPO benchmark: prompt and completions, in tokens.
    private static let prompt = 112
    private static let completions = 6
    private static let completion = 200

    /// Times one layer's attention over six completions of 200 tokens that share a prompt of 112, in both directions.
    ///
    /// - Throws: `TensorError` when memory runs out.
    public func attention(of model: Model) throws -> [Attention] {
        let shape = model.attention
        let group = GroupLayout(prompt: Self.prompt, completions: Self.completions, completion: Self.completion)
        let cache = try KeyValueCache(shape: shape, pages: group.pages)
        try backend.prepareAttention(shape, maxContext: Self.prompt + Self.completion)
        let rows = group.rows
        let width = shape.heads * shape.headSize
        let keyValueWidth = shape.keyValueHeads * shape.headSize
        let keys = try Self.numbers(rows: rows, columns: keyValueWidth)
        backend.writeKeysAndValues(
            keys, keys, cache: cache, layer: 0, rows: (0..<rows).map(Int32.init), slots: group.slots)
        let q = try Self.numbers(rows: rows, columns: width)
        let dOut = try Self.numbers(rows: rows, columns: width)
        let (out, dq) = (try Matrix(rows: rows, columns: width), try Matrix(rows: rows, columns: width))
        let logSumExp = try Matrix(rows: rows, columns: shape.heads)
        let dk = try Matrix(rows: rows, columns: keyValueWidth)
        let dv = try Matrix(rows: rows, columns: keyValueWidth)
        let forward = medianSeconds { _ in
            backend.attention(q, cache: cache, layer: 0, visible: group.visibility, into: out, logSumExp: logSumExp)
        }
        var failure: (any Error)?
        let backward = medianSeconds { _ in
            do {
                try backend.attentionBackward(
                    q, out: out, dOut: dOut, logSumExp: logSumExp, cache: cache, layer: 0, segments: group.segments,
                    tables: group.visibility.tables, dq: dq, dk: dk, dv: dv)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        // A visible key costs a product with its query and one with its probability; the gradient has five such products.
        let pairs = group.visibility.contexts.reduce(0.0) { $0 + Double($1) } * Double(width)
        return [
            Attention(model: model.name, direction: .forward, rows: rows, operations: 4 * pairs, seconds: forward),
            Attention(model: model.name, direction: .backward, rows: rows, operations: 10 * pairs, seconds: backward),
        ]
    }
}

/// A prompt and its completions as rows of one batch, over pages of which the completions share the prompt's.
///
/// The prompt's length is a multiple of a page's, so that no page is half the prompt's.
private struct GroupLayout {
    let rows: Int
    let pages: Int
    /// Where each row's key goes.
    let slots: [Int32]
    let visibility: Visibility
    let segments: [Segment]

    init(prompt: Int, completions: Int, completion: Int) {
        let page = KeyValueCache.pageTokens
        precondition(prompt % page == 0, "a page would be shared in part")
        let shared = prompt / page
        let own = (completion + page - 1) / page
        rows = prompt + completions * completion
        pages = shared + completions * own
        var tables = (0..<shared).map(Int32.init)
        var offsets = [Int32](repeating: 0, count: prompt)
        var contexts = (1...prompt).map(Int32.init)
        var slots = (0..<prompt).map(Int32.init)
        var segments = [Segment(firstRow: 0, rows: prompt, firstPosition: 0, tableOffset: 0, parentFirstRow: nil)]
        for index in 0..<completions {
            let first = shared + index * own
            segments.append(
                Segment(
                    firstRow: prompt + index * completion, rows: completion, firstPosition: prompt,
                    tableOffset: tables.count, parentFirstRow: 0))
            offsets += Array(repeating: Int32(tables.count), count: completion)
            contexts += (1...completion).map { Int32(prompt + $0) }
            slots += (0..<completion).map { Int32(first * page + $0) }
            tables += (0..<shared).map(Int32.init) + (first..<first + own).map(Int32.init)
        }
        self.slots = slots
        self.segments = segments
        visibility = Visibility(tables: tables, tableOffsets: offsets, contexts: contexts)
    }
}
