/// How threads share a product: pieces of rows by runs of panels, of which each task takes one.
///
/// A panel is unpacked, or turned, once for each piece of rows; so rows are cut into no more pieces than threads, and into
/// none that are short, and panels give what else it takes to keep every thread busy. Panels that are left over when each
/// thread has as many as the others are shared by rows after all: of nine panels two threads would compute five and four.
/// Which task computes a result does not change it: no sum is cut.
package struct ProductGrid {
    /// Rows from which unpacking a panel again costs little beside its products.
    private static let leastRows = 192

    private let rows, panels, threads: Int
    /// Pieces of rows; with more than one, tasks are these by `panelParts` runs of panels.
    private let rowParts, panelParts: Int
    /// Of one piece of rows: the panels of each thread, the runs that they are cut into, and the panels left over.
    private let each, runs, rest: Int

    /// The tasks of a product of `rows` rows by `panels` panels for so many threads.
    package init(rows: Int, panels: Int, threads: Int) {
        self.rows = rows
        self.panels = panels
        self.threads = threads
        rowParts = max(1, min(threads, rows / Self.leastRows))
        panelParts = min(panels, (threads * CPUBackend.piecesPerThread + rowParts - 1) / rowParts)
        (each, rest) = panels.quotientAndRemainder(dividingBy: threads)
        runs = threads > 1 ? min(each, CPUBackend.piecesPerThread) : 1
    }

    /// Where panels are left over, a thread's piece of them, taken as one strip of rows, may reach into a second panel.
    private var pieces: Int { rest == 0 ? 0 : threads.isMultiple(of: rest) ? 1 : 2 }
    private var tasksPerThread: Int { runs + pieces }

    /// Tasks; those of a piece of rows, or of a thread, follow each other.
    package var count: Int {
        guard rows > 0, panels > 0 else { return 0 }
        return rowParts > 1 ? rowParts * panelParts : threads * tasksPerThread
    }

    /// What a task computes, which may be nothing.
    package subscript(task: Int) -> (rows: Range<Int>, panels: Range<Int>) {
        guard rowParts == 1 else {
            let (row, panel) = task.quotientAndRemainder(dividingBy: panelParts)
            return (CPUBackend.piece(row, of: rowParts, rows), CPUBackend.piece(panel, of: panelParts, panels))
        }
        let (thread, run) = task.quotientAndRemainder(dividingBy: tasksPerThread)
        guard run < runs else { return leftOver(thread, piece: run - runs) }
        let own = CPUBackend.piece(run, of: runs, each)
        return (0..<rows, thread * each + own.lowerBound..<thread * each + own.upperBound)
    }

    /// A thread's share of the panels that are left over: some rows of one, and some of the next.
    private func leftOver(_ thread: Int, piece: Int) -> (rows: Range<Int>, panels: Range<Int>) {
        let share = CPUBackend.piece(thread, of: threads, rest * rows)
        let panel = share.lowerBound / rows + piece
        let own = share.clamped(to: panel * rows..<(panel + 1) * rows)
        let first = threads * each + panel
        return (own.lowerBound - panel * rows..<own.upperBound - panel * rows, first..<first + 1)
    }
}

extension CPUBackend {
    /// Runs the tasks of a grid that have something to compute.
    func deal(_ grid: ProductGrid, _ body: (_ thread: Int, _ rows: Range<Int>, _ panels: Range<Int>) -> Void) {
        deal(grid.count) { thread, task in
            let (rows, panels) = grid[task]
            if !rows.isEmpty, !panels.isEmpty { body(thread, rows, panels) }
        }
    }
}
