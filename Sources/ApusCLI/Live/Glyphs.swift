/// The characters that bars, sparklines and tables are drawn with.
struct Glyphs: Equatable, Sendable {
    /// A full cell of a bar, and parts of one from the smallest on.
    var full: String
    var parts: [String]
    /// What is left of a bar.
    var empty: String
    /// Levels of a sparkline, the lowest first.
    var levels: [String]
    /// Where text was cut.
    var cut: String
    /// Where a text's line ended.
    var lineBreak: String
    /// A line under a table's head.
    var rule: String

    static let unicode = Glyphs(
        full: "█", parts: ["▏", "▎", "▍", "▌", "▋", "▊", "▉"], empty: "░",
        levels: ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"], cut: "…", lineBreak: "⏎", rule: "─")

    /// For a terminal that is not in UTF-8.
    static let ascii = Glyphs(
        full: "#", parts: [], empty: ".", levels: ["_", ".", ":", "-", "=", "+", "*", "#"], cut: "~", lineBreak: "|",
        rule: "-")

    /// A bar of so many cells.
    /// - Parameter share: how much is done, from 0 to 1.
    func bar(_ share: Double, width: Int) -> (done: String, left: String) {
        guard width > 0 else { return ("", "") }
        let steps = parts.count + 1
        let units = (share * Double(width * steps)).wholeNumber(in: 0...width * steps)
        var done = String(repeating: full, count: units / steps)
        if units % steps > 0 { done += parts[units % steps - 1] }
        return (done, String(repeating: empty, count: width - CellWidth.of(done)))
    }

    /// The course of some values in at most so many cells, from their smallest to their largest. When there are more values
    /// than cells, a cell is the mean of several, so that the whole course is seen.
    func sparkline(_ values: [Double], width: Int) -> String {
        let values = values.filter(\.isFinite)
        guard width > 0, let low = values.min(), let high = values.max() else { return "" }
        let cells = min(width, values.count)
        return (0..<cells).map { cell in
            let slice = values[cell * values.count / cells..<(cell + 1) * values.count / cells]
            let mean = slice.reduce(0, +) / Double(slice.count)
            let share = high > low ? (mean - low) / (high - low) : 0.5
            return levels[(share * Double(levels.count)).wholeNumber(in: 0...levels.count - 1)]
        }.joined()
    }
}
