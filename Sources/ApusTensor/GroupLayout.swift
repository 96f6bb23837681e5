/// A prompt and its completions as rows of one batch, over pages of which the completions share the prompt's.
///
/// The prompt's length is a multiple of a page's, so that no page is half the prompt's.
struct GroupLayout {
    /// The group of the GRPO benchmark.
    static let benchmark = GroupLayout(prompt: 112, completions: 6, completion: 200)

    let rows: Int
    let pages: Int
    /// Where each row's key goes.
    let slots: [Int32]
    let visibility: Visibility
    let segments: [Segment]
    /// Tokens whose probability counts.
    let targets: Int

    /// Keys that the longest row sees.
    var maxContext: Int { Int(visibility.contexts.max() ?? 0) }
    /// Keys that all rows see together.
    var keys: Double { visibility.contexts.reduce(0) { $0 + Double($1) } }

    init(prompt: Int, completions: Int, completion: Int) {
        let page = KeyValueCache.pageTokens
        precondition(prompt % page == 0, "a page would be shared in part")
        let shared = prompt / page
        let own = (completion + page - 1) / page
        targets = completions * completion
        rows = prompt + targets
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
