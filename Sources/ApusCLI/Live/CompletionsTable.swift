import Apus

/// Some completions with the scores that they got, as text.
struct CompletionsTable {
    let report: RolloutReport
    /// The optimizer step of the log line that it belongs to.
    let step: Int
    /// How many completions are shown.
    var limit = CompletionsTable.defaultLimit
    /// Whether a prompt is shown once only.
    var showsPromptsOnce = false
    var glyphs = Glyphs.unicode

    /// How many are shown unless `num_completions_to_print` says so.
    static let defaultLimit = 4
    /// Lines that a text may take before it is cut.
    private static let textLines = 4

    /// The table, or one block of lines a completion where the terminal is too narrow for columns.
    func lines(columns: Int) -> [String] {
        let rows = selection
        let file = "completions/completions_\(String(repeating: "0", count: max(0, 5 - "\(step)".count)))\(step).jsonl"
        let title = "step \(step): \(rows.count) of \(report.completions.count) completions; all are in \(file)"
        let scores = scoreWidths
        let room = columns - scores.reduce(0) { $0 + $1 + 2 } - 3
        let body = room >= 48 ? table(rows, scores, room) : blocks(rows, columns)
        return ([title] + body).map { CellWidth.truncated($0, to: max(columns - 1, 1), mark: glyphs.cut) }
    }

    /// Evenly spread over the batch, so that groups take turns.
    private var selection: [Int] {
        var rows = Array(report.completions.indices)
        if showsPromptsOnce {
            rows = rows.filter { row in row == 0 || report.prompts[row] != report.prompts[row - 1] }
        }
        let count = min(limit, rows.count)
        return (0..<count).map { rows[$0 * rows.count / count] }
    }

    private var heads: [String] { report.rewardNames.map(StepLine.short) + ["advantage"] }

    private var scoreWidths: [Int] { heads.map { min(max(CellWidth.of($0), 6), 12) } }

    private func scores(_ row: Int) -> [String] {
        report.rewards[row].map { $0.map { fixed($0, 2) } ?? "-" } + [fixed(report.advantages[row], 2)]
    }

    private func table(_ rows: [Int], _ widths: [Int], _ room: Int) -> [String] {
        let prompt = room / 3
        let texts = [prompt, room - prompt]
        var lines = [line(["prompt", "completion"], texts, heads, widths)]
        lines.append(String(repeating: glyphs.rule, count: room + 2 + widths.reduce(0) { $0 + $1 + 2 }))
        for row in rows {
            let cells = zip([question(row), answer(row)], texts).map(folded)
            for index in 0..<max(cells[0].count, cells[1].count) {
                let words = cells.map { $0.indices.contains(index) ? $0[index] : "" }
                lines.append(line(words, texts, index == 0 ? scores(row) : [], widths))
            }
        }
        return lines
    }

    private func line(_ words: [String], _ textWidths: [Int], _ scores: [String], _ widths: [Int]) -> String {
        let left = zip(words, textWidths).map { StyledLine($0).padded(to: $1).text }
        let right = zip(scores, widths).map { score, width in
            let text = CellWidth.truncated(score, to: width, mark: glyphs.cut)
            return String(repeating: " ", count: width - CellWidth.of(text)) + text
        }
        let text = (left + right).joined(separator: "  ")
        return String(text.reversed().drop { $0 == " " }.reversed())
    }

    private func blocks(_ rows: [Int], _ columns: Int) -> [String] {
        rows.flatMap { row in
            let scores = zip(heads, scores(row)).map { "\($0) \($1)" }.joined(separator: "  ")
            let texts = folded("prompt: " + question(row), columns - 3) + folded("answer: " + answer(row), columns - 3)
            return texts.map { "  " + $0 } + folded(scores, columns - 3).map { "  " + $0 } + [""]
        }.dropLast()
    }

    private func question(_ row: Int) -> String {
        let text =
            switch report.prompts[row] {
            case .text(let text): text
            case .messages(let messages): messages.last?.content ?? ""
            }
        return text.printable(lineBreak: glyphs.lineBreak)
    }

    private func answer(_ row: Int) -> String {
        let text = report.completions[row].printable(lineBreak: glyphs.lineBreak)
        return report.isTruncated[row] ? text + " [cut off]" : text
    }

    /// A text in lines of so many cells, at most a few.
    private func folded(_ text: String, _ columns: Int) -> [String] {
        var lines: [String] = []
        var rest = Substring(text)
        while !rest.isEmpty, columns > 1 {
            guard lines.count < Self.textLines - 1 else {
                lines.append(CellWidth.truncated(String(rest), to: columns, mark: glyphs.cut))
                break
            }
            let line = CellWidth.prefix(String(rest), columns)
            lines.append(line)
            rest = rest.dropFirst(max(line.count, 1))
        }
        return lines.isEmpty ? [""] : lines
    }
}
