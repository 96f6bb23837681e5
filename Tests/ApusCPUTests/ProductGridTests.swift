import ApusCPU
import Testing

struct ProductGridTests {
    @Test(arguments: [1, 2, 3, 5, 16]) func everyRowMeetsEveryPanelOnce(threads: Int) {
        for rows in [0, 1, 2, 6, 24, 48, 191, 400, 1_312] {
            for panels in [0, 1, 2, 9, 15, 16, 17, 76] {
                let grid = ProductGrid(rows: rows, panels: panels, threads: threads)
                var meetings = [Int](repeating: 0, count: rows * panels)
                for task in 0..<grid.count {
                    let (range, own) = grid[task]
                    for row in range { for panel in own { meetings[row * panels + panel] += 1 } }
                }
                #expect(meetings.allSatisfy { $0 == 1 }, "\(rows) rows, \(panels) panels, \(threads) threads")
            }
        }
    }

    /// Tasks are dealt out in equal contiguous shares, and most of the time nobody takes another's.
    @Test(arguments: [2, 3, 4]) func everyThreadHasAsMuchToDo(threads: Int) {
        for rows in [6 * threads, 24 * threads, 192 * threads, 600 * threads] {
            for panels in [threads, 9, 15, 24, 76] {
                let grid = ProductGrid(rows: rows, panels: panels, threads: threads)
                let work = (0..<threads).map { thread in
                    CPUBackend.piece(thread, of: threads, grid.count).reduce(0) { sum, task in
                        let (range, own) = grid[task]
                        return sum + range.count * own.count
                    }
                }
                let most = work.max() ?? 0
                #expect(
                    most * threads <= rows * panels + rows * panels / 16, "\(rows) rows, \(panels) panels: \(work)")
            }
        }
    }
}
