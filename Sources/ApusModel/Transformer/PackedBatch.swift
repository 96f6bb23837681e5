package import ApusTensor

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

/// Rows of several sequences side by side, without padding: what one forward pass takes.
///
/// A prompt's rows come once, before those of its completions; the completions see them through shared pages.
package struct PackedBatch {
    /// The token of each row.
    package var tokens: [Int32] = []
    /// Each row's place in its sequence, from 0.
    package var positions: [Int32] = []
    /// The pages and the number of positions that each row sees.
    package var visible = Visibility(tables: [], tableOffsets: [], contexts: [])
    /// Each row's own slot, where its keys, values and layer inputs lie.
    package var slots: [Int32] = []
    /// The rows whose keys and values are written: every row to its own slot, and some to a copy.
    package var writeRows: [Int32] = []
    /// The slots that `writeRows` go to, entry by entry.
    package var writeSlots: [Int32] = []
    /// What the backward pass of attention walks over.
    package var segments: [Segment] = []

    /// A batch of no rows.
    package init() {}

    /// How many rows there are.
    package var rows: Int { tokens.count }
    var maxContext: Int { Int(visible.contexts.max() ?? 0) }

    /// Appends rows of a sequence whose pages begin at `tableOffset` in the table.
    package mutating func append(
        _ newTokens: ArraySlice<Int32>, firstPosition: Int, tableOffset: Int, parentFirstRow: Int?
    ) {
        let segment = Segment(
            firstRow: rows, rows: newTokens.count, firstPosition: firstPosition, tableOffset: tableOffset,
            parentFirstRow: parentFirstRow)
        for (i, token) in newTokens.enumerated() {
            let position = firstPosition + i
            let slot = slot(position, tableOffset: tableOffset)
            slots.append(slot)
            writeRows.append(Int32(rows))
            writeSlots.append(slot)
            tokens.append(token)
            positions.append(Int32(position))
            visible.tableOffsets.append(Int32(tableOffset))
            visible.contexts.append(Int32(position + 1))
        }
        segments.append(segment)
    }

    /// Appends a sequence's page numbers and says where they begin.
    package mutating func append(table: [Int32]) -> Int {
        defer { visible.tables += table }
        return visible.tables.count
    }

    /// Writes the keys of a prompt's last, half-filled page a second time, into a completion's own first page.
    mutating func copyTail(promptFirstRow: Int, promptCount: Int, tableOffset: Int) {
        let begin = promptCount / KeyValueCache.pageTokens * KeyValueCache.pageTokens
        for position in begin..<promptCount {
            writeRows.append(Int32(promptFirstRow + position))
            writeSlots.append(slot(position, tableOffset: tableOffset))
        }
    }

    private func slot(_ position: Int, tableOffset: Int) -> Int32 {
        let size = KeyValueCache.pageTokens
        return visible.tables[tableOffset + position / size] * Int32(size) + Int32(position % size)
    }
}

extension PackedBatch {
    /// Packs groups for scoring and training, over the pages in `tables`.
    ///
    /// The last token of a completion predicts nothing that is scored, so it has no row. Targets come group by group,
    /// completion by completion, token by token; the first token's row is the prompt's last.
    static func packing(
        _ groups: [TokenGroup], tables: [GroupTables]
    ) -> (batch: PackedBatch, targets: [HeadTarget]) {
        var batch = PackedBatch()
        var targets: [HeadTarget] = []
        for (group, tables) in zip(groups, tables) {
            let promptRow = batch.rows
            let promptCount = group.prompt.count
            batch.append(
                group.prompt[...], firstPosition: 0, tableOffset: batch.append(table: tables.prompt),
                parentFirstRow: nil)
            for (completion, table) in zip(group.completions, tables.completions) where !completion.isEmpty {
                targets.append(HeadTarget(row: promptRow + promptCount - 1, token: completion[0]))
                guard completion.count > 1 else { continue }
                let offset = batch.append(table: table)
                let row = batch.rows
                batch.append(
                    completion.dropLast(), firstPosition: promptCount, tableOffset: offset, parentFirstRow: promptRow)
                batch.copyTail(promptFirstRow: promptRow, promptCount: promptCount, tableOffset: offset)
                for (i, token) in completion.dropFirst().enumerated() {
                    targets.append(HeadTarget(row: row + i, token: token))
                }
            }
        }
        return (batch, targets)
    }
}
