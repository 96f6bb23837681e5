internal import ApusTensor

/// A group as the tree that it is: one prompt and its completions.
public struct TokenGroup: Sendable, Equatable {
    /// The prompt's tokens; at least one.
    public var prompt: [Int32]
    /// The completions' tokens, end tokens included.
    public var completions: [[Int32]]

    /// A group.
    public init(prompt: [Int32], completions: [[Int32]]) {
        self.prompt = prompt
        self.completions = completions
    }
}

extension PackedBatch {
    /// Packs groups for scoring and training, over the pages in `tables`.
    ///
    /// The last token of a completion predicts nothing that is scored, so it has no row. Targets come group by group,
    /// completion by completion, token by token; the first token's row is the prompt's last.
    static func packing(
        _ groups: [TokenGroup], tables: [GroupTables]
    ) -> (batch: PackedBatch, targets: [ScoredToken]) {
        var batch = PackedBatch()
        var targets: [ScoredToken] = []
        for (group, tables) in zip(groups, tables) {
            let promptRow = batch.rows
            let promptCount = group.prompt.count
            batch.append(
                group.prompt[...], firstPosition: 0, tableOffset: batch.append(table: tables.prompt),
                parentFirstRow: nil)
            for (completion, table) in zip(group.completions, tables.completions) where !completion.isEmpty {
                targets.append(ScoredToken(row: promptRow + promptCount - 1, token: completion[0]))
                guard completion.count > 1 else { continue }
                let offset = batch.append(table: table)
                let row = batch.rows
                batch.append(
                    completion.dropLast(), firstPosition: promptCount, tableOffset: offset, parentFirstRow: promptRow)
                batch.copyTail(promptFirstRow: promptRow, promptCount: promptCount, tableOffset: offset)
                for (i, token) in completion.dropFirst().enumerated() {
                    targets.append(ScoredToken(row: row + i, token: token))
                }
            }
        }
        return (batch, targets)
    }
}
