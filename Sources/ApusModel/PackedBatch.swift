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
    package var tokens: [Int32] = []
    package var positions: [Int32] = []
    package var visible = Visibility(tables: [], tableOffsets: [], contexts: [])
    /// Which row's keys and values go to which slot.
    package var writeRows: [Int32] = []
    package var writeSlots: [Int32] = []
    /// What the backward pass of attention walks over.
    package var segments: [Segment] = []

    /// A batch of no rows.
    package init() {}

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
            writeRows.append(Int32(rows))
            writeSlots.append(slot(position, tableOffset: tableOffset))
            tokens.append(token)
            positions.append(Int32(position))
            visible.tableOffsets.append(Int32(tableOffset))
            visible.contexts.append(Int32(position + 1))
        }
        segments.append(segment)
    }

    /// Writes the keys of a prompt's last, half-filled page a second time, into a completion's own first page.
    package mutating func copyTail(promptFirstRow: Int, promptCount: Int, tableOffset: Int) {
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
    /// Packs groups for scoring and training, with the pages that they need numbered from 0.
    ///
    /// The last token of a completion predicts nothing that is scored, so it has no row. Targets come group by group,
    /// completion by completion, token by token; the first token's row is the prompt's last.
    static func packing(_ groups: [TokenGroup]) -> (batch: PackedBatch, targets: [HeadTarget], pages: Int) {
        var batch = PackedBatch()
        var targets: [HeadTarget] = []
        var pages: Int32 = 0
        func take(_ count: Int) -> [Int32] {
            defer { pages += Int32(count) }
            return (0..<Int32(count)).map { pages + $0 }
        }
        let size = KeyValueCache.pageTokens
        for group in groups {
            let promptRow = batch.rows
            let promptCount = group.prompt.count
            let promptTable = batch.visible.tables.count
            let promptPages = take((promptCount + size - 1) / size)
            batch.visible.tables += promptPages
            batch.append(group.prompt[...], firstPosition: 0, tableOffset: promptTable, parentFirstRow: nil)
            for completion in group.completions where !completion.isEmpty {
                targets.append(HeadTarget(row: promptRow + promptCount - 1, token: completion[0]))
                guard completion.count > 1 else { continue }
                let table = batch.visible.tables.count
                let shared = promptCount / size
                let positions = promptCount + completion.count - 1
                batch.visible.tables += promptPages[..<shared] + take((positions + size - 1) / size - shared)
                let row = batch.rows
                batch.append(
                    completion.dropLast(), firstPosition: promptCount, tableOffset: table, parentFirstRow: promptRow)
                batch.copyTail(promptFirstRow: promptRow, promptCount: promptCount, tableOffset: table)
                for (i, token) in completion.dropFirst().enumerated() {
                    targets.append(HeadTarget(row: row + i, token: token))
                }
            }
        }
        return (batch, targets, Int(pages))
    }
}
