/// A table in plain text: the first columns to the left, the others to the right under their heads.
struct TextTable: CustomStringConvertible {
    let head: [String]
    /// How many columns from the first on are words, not figures.
    var wordColumns = 1
    private(set) var rows: [[String]] = []

    init(head: [String], wordColumns: Int = 1) {
        self.head = head
        self.wordColumns = wordColumns
    }

    /// Adds a row; cells that are missing at its end are empty.
    mutating func add(_ cells: [String]) {
        precondition(cells.count <= head.count, "more cells than columns")
        rows.append(cells + Array(repeating: "", count: head.count - cells.count))
    }

    var description: String {
        let lines = [head] + rows
        let widths = head.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        return lines.map { line in
            let cells = line.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                return column < wordColumns ? cell + padding : padding + cell
            }
            let text = cells.joined(separator: "  ")
            return String(text.reversed().drop { $0 == " " }.reversed())
        }.joined(separator: "\n")
    }
}

/// A share of a whole for people: `44 %`.
func percent(_ share: Double) -> String { "\(fixed(100 * share, 0)) %" }
