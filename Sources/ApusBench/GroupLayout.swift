internal import ApusTensor

/// A prompt and its completions as rows of one batch, over pages of which the completions share the prompt's.
///
/// The prompt's length is a multiple of a page's, so that no page is half the prompt's.
struct GroupLayout {
    /// The group of the GRPO benchmark.
    static let benchmark = GroupLayout(prompt: 112, completions: 6, completion: 200)

    let pages: Int
    let batch: PackedBatch
    /// Tokens whose probability counts.
    let targets: Int

    var rows: Int { batch.rows }
    /// Keys that all rows see together.
    var keys: Double { batch.visible.contexts.reduce(0) { $0 + Double($1) } }

    init(prompt: Int, completions: Int, completion: Int) {
        let page = KeyValueCache.pageTokens
        precondition(prompt % page == 0, "a page would be shared in part")
        let shared = prompt / page
        let own = (completion + page - 1) / page
        targets = completions * completion
        pages = shared + completions * own
        let promptTable = (0..<shared).map(Int32.init)
        var batch = PackedBatch()
        batch.append(
            ArraySlice(repeating: 0, count: prompt), firstPosition: 0, tableOffset: batch.append(table: promptTable),
            parentFirstRow: nil)
        for index in 0..<completions {
            let first = shared + index * own
            let offset = batch.append(table: promptTable + (first..<first + own).map(Int32.init))
            batch.append(
                ArraySlice(repeating: 0, count: completion), firstPosition: prompt, tableOffset: offset,
                parentFirstRow: 0)
        }
        self.batch = batch
    }
}
