/// Rows of several sequences side by side, without padding: what one forward pass takes.
///
/// A prompt's rows come once, before those of its completions; the completions see them through shared pages.
public struct PackedBatch: Sendable {
    /// The token of each row.
    public var tokens: [Int32] = []
    /// Each row's place in its sequence, from 0.
    public var positions: [Int32] = []
    /// The pages and the number of positions that each row sees.
    public var visible = Visibility(tables: [], tableOffsets: [], contexts: [])
    /// Each row's own slot, where its keys, values and layer inputs lie.
    public var slots: [Int32] = []
    /// The rows whose keys and values are written: every row to its own slot, and some to a copy.
    public var writeRows: [Int32] = []
    /// The slots that `writeRows` go to, entry by entry.
    public var writeSlots: [Int32] = []
    /// What the backward pass of attention walks over.
    public var segments: [Segment] = []

    /// A batch of no rows.
    public init() {}

    /// How many rows there are.
    public var rows: Int { tokens.count }
    /// Keys that the row that sees most sees.
    public var maxContext: Int { Int(visible.contexts.max() ?? 0) }

    /// The pages that its rows are written to, each once, in no order.
    public var writtenPages: [Int32] {
        var pages: Set<Int32> = []
        var last: Int32?
        // Rows of a page mostly follow each other.
        for slot in writeSlots {
            let page = slot / Int32(KeyValueCache.pageTokens)
            if page != last { pages.insert(page) }
            last = page
        }
        return Array(pages)
    }

    /// Appends rows of a sequence whose pages begin at `tableOffset` in the table.
    public mutating func append(
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
    public mutating func append(table: [Int32]) -> Int {
        defer { visible.tables += table }
        return visible.tables.count
    }

    /// Writes the keys of a prompt's last, half-filled page a second time, into a completion's own first page.
    public mutating func copyTail(promptFirstRow: Int, promptCount: Int, tableOffset: Int) {
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

/// What each query row sees: keys 0 ..< contexts[row] of the sequence whose page numbers begin at
/// tables[tableOffsets[row]].
public struct Visibility: Sendable {
    /// Page numbers of all sequences, one after the other.
    public var tables: [Int32]
    /// Start of each row's sequence in `tables`.
    public var tableOffsets: [Int32]
    /// Keys that each row sees: its position + 1.
    public var contexts: [Int32]

    /// A visibility.
    public init(tables: [Int32], tableOffsets: [Int32], contexts: [Int32]) {
        self.tables = tables
        self.tableOffsets = tableOffsets
        self.contexts = contexts
    }
}

/// Consecutive rows of one sequence in a packed batch. A completion's parent is its prompt, whose rows hold the keys
/// of the positions before `firstPosition`.
public struct Segment: Sendable {
    /// First row in the batch.
    public var firstRow: Int
    /// Number of rows.
    public var rows: Int
    /// Position of the first row.
    public var firstPosition: Int
    /// Start of the sequence's page numbers.
    public var tableOffset: Int
    /// First row of the prompt that lies before, or nil.
    public var parentFirstRow: Int?

    /// A segment.
    public init(firstRow: Int, rows: Int, firstPosition: Int, tableOffset: Int, parentFirstRow: Int?) {
        self.firstRow = firstRow
        self.rows = rows
        self.firstPosition = firstPosition
        self.tableOffset = tableOffset
        self.parentFirstRow = parentFirstRow
    }
}
