/// How threads share a product of many rows: pieces of rows by runs of panels, of which each task takes one.
///
/// A panel is unpacked, or turned, once for each piece of rows; so rows are cut into no more pieces than threads, and into
/// none that are short, and panels give what else it takes to keep every thread busy. Which task computes a result does
/// not change it: no sum is cut.
struct ProductGrid {
    /// Rows from which unpacking a panel again costs little beside its products.
    private static let leastRows = 192

    private let rows, panels, rowParts, panelParts: Int

    init(rows: Int, panels: Int, threads: Int) {
        self.rows = rows
        self.panels = panels
        let tasks = threads > 1 ? threads * CPUBackend.piecesPerThread : 1
        rowParts = max(1, min(threads, rows / Self.leastRows))
        panelParts = min(panels, max(1, (tasks + rowParts - 1) / rowParts))
    }

    /// Tasks; those of a piece of rows follow each other, so that it stays with a thread.
    var count: Int { rows > 0 ? rowParts * panelParts : 0 }

    subscript(task: Int) -> (rows: Range<Int>, panels: Range<Int>) {
        let (row, panel) = (task / panelParts, task % panelParts)
        return (
            CPUBackend.piece(row, of: rowParts, rows), CPUBackend.piece(panel, of: panelParts, panels)
        )
    }
}
