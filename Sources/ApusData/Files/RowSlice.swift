/// A run of the rows of a split, as `[10:20]`, `[:10%]` and `[-5:]` write it.
public struct RowSlice: Sendable, Equatable {
    /// Where a slice begins or ends.
    public enum Bound: Sendable, Equatable {
        /// A number of rows, from the end where it is negative.
        case rows(Int)
        /// A share of all rows, from the end where it is negative.
        case percent(Int)
    }

    /// The first row; nil for that of the split.
    public var start: Bound?
    /// The row after the last one; nil for the end of the split.
    public var end: Bound?

    /// All rows.
    public static let all = RowSlice()

    /// A slice; without bounds all rows.
    public init(from start: Bound? = nil, to end: Bound? = nil) {
        self.start = start
        self.end = end
    }

    /// Whether the number of all rows has to be known to say which rows these are.
    var needsCount: Bool {
        [start, end].contains { bound in
            switch bound {
            case nil: false
            case .rows(let count): count < 0
            case .percent: true
            }
        }
    }

    /// The rows among so many. A share is rounded to the nearest row, and halves to the even one, as `datasets` does.
    func range(of count: Int) -> Range<Int> {
        let first = start.map { Self.position($0, count) } ?? 0
        let last = end.map { Self.position($0, count) } ?? count
        return first..<max(first, last)
    }

    private static func position(_ bound: Bound, _ count: Int) -> Int {
        let rows =
            switch bound {
            case .rows(let rows): rows
            case .percent(let share):
                (Double(share) * Double(count) / 100).rounded(.toNearestOrEven).wholeNumber(in: -count...count)
            }
        return rows < 0 ? max(0, count + rows) : min(rows, count)
    }
}
