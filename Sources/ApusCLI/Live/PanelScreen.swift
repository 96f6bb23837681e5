/// The lines at the bottom of a terminal that are drawn in place, as escape sequences.
///
/// The cursor rests at the beginning of the line below them and is never hidden for longer than a drawing takes, so that
/// whatever ends the program, even kill -9, leaves a terminal in order and the shell's prompt on a line of its own.
struct PanelScreen {
    private(set) var lines: [StyledLine] = []

    /// What takes the lines away and leaves the cursor where they began.
    /// - Parameter columns: the width of the terminal now. One that became narrower has broken long lines.
    mutating func erasure(columns: Int) -> String {
        defer { lines = [] }
        let rows = lines.reduce(0) { $0 + max(1, ($1.width + columns - 1) / max(columns, 1)) }
        return rows > 0 ? "\r\u{1B}[\(rows)A\u{1B}[J" : ""
    }

    /// What replaces the lines by others. Each must fit the terminal.
    mutating func drawing(_ new: [StyledLine], columns: Int, isColored: Bool) -> String {
        let erasure = erasure(columns: columns)
        lines = new
        let text = new.map { (isColored ? $0.coloredText : $0.text) + "\n" }.joined()
        return "\u{1B}[?25l\(erasure)\u{1B}[?7l\(text)\u{1B}[?7h\u{1B}[?25h"
    }

    /// Leaves the lines where they are: something else wrote below them.
    mutating func forget() { lines = [] }
}
