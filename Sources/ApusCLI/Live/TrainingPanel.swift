import Apus

/// The panel of a run as lines of text: pure, so that it can be tested as text at any width.
struct TrainingPanel {
    let state: PanelState
    /// The time that the panel shows, on the state's clock.
    let now: Double
    /// Bytes that the process holds; nil where that is not known.
    var residentMemory: Int?
    var glyphs = Glyphs.unicode
    /// Whether the beginning of a completion is shown.
    var showsCompletion = false

    /// Cells of the words before a bar, and of those behind it, where there is room for columns.
    private static let labelWidth = 16
    private static let tailWidth = 32
    /// Longer bars say no more.
    private static let longestBar = 80

    /// The lines, none wider than the terminal less one cell.
    /// - Parameters:
    ///   - columns: of the terminal.
    ///   - rows: of the terminal: what matters least goes when there are too few.
    func lines(columns: Int, rows: Int = .max) -> [StyledLine] {
        let width = max(columns - 1, 1)
        var lines = [step(width), phase(width)]
        lines += [
            course("reward", state.rewards, width) { fixed($0, 3) },
            course("accuracy", state.accuracies, width, percent),
            course("length", state.lengths, width) { fixed($0, 1) },
        ].compactMap { $0 }
        lines += wrapped(health, width, rows: width < 60 ? 3 : width < 79 ? 2 : 1)
        lines += wrapped(resources, width, rows: width < 120 ? 2 : 1)
        if showsCompletion, let completion = state.completion {
            let text = "last: " + completion.printable(lineBreak: glyphs.lineBreak)
            let first = CellWidth.prefix(text, width)
            lines.append(StyledLine(first, .dim))
            let rest = String(text.dropFirst(first.count))
            if !rest.isEmpty { lines.append(StyledLine(rest, .dim)) }
        }
        return lines.prefix(max(rows - 2, 1)).map { $0.truncated(to: width, mark: glyphs.cut) }
    }

    // MARK: Bars

    private func step(_ width: Int) -> StyledLine {
        let left = state.secondsLeft(at: now).map { "left \(timeSpan($0))" }
        return row(
            StyledLine("step \(state.currentStep)/\(state.stepCount)", .bold), bar: state.share,
            tail: [left, percent(state.share)], width)
    }

    private func phase(_ width: Int) -> StyledLine {
        guard let phase = state.phase else { return between(width) }
        let speed = state.tokensPerSecond(at: now).map { "\(fixed($0, 0)) tok/s" }
        let done = phase.total > 0 ? phase.kind.count(done: phase.done, of: phase.total) : nil
        return row(
            StyledLine(phase.kind.label), bar: state.phaseShare, tail: [speed, span(now - phase.begin), done], width
        )
    }

    /// Before the first step, and where a step has ended.
    private func between(_ width: Int) -> StyledLine {
        row(StyledLine(state.stepsDone == 0 ? "preparing" : "saving"), bar: 0, tail: [], width)
    }

    /// The words before, a bar, and what fits of the words behind, those that matter most first.
    private func row(_ label: StyledLine, bar share: Double, tail: [String?], _ width: Int) -> StyledLine {
        let (head, room, words) = layout(label, tail, width)
        var line = head
        let bar = glyphs.bar(share, width: room)
        line.append(bar.done)
        line.append(bar.left, .dim)
        if !words.isEmpty { line.append("  " + words) }
        return line
    }

    /// A value and its course, from its smallest to its largest.
    private func course(
        _ name: String, _ values: [Double], _ width: Int, _ text: (Double) -> String
    ) -> StyledLine? {
        guard let last = values.last, let low = values.min(), let high = values.max() else { return nil }
        var label = StyledLine("\(name) ")
        label.append(text(last), .bold)
        let range = "from \(text(low)) to \(text(high))"
        let (head, room, words) = layout(label, [values.count > 1 ? range : nil], width)
        var line = head
        line.append(StyledLine(glyphs.sparkline(values, width: room)).padded(to: room))
        if !words.isEmpty { line.append("  " + words, .dim) }
        return line
    }

    private func layout(
        _ label: StyledLine, _ tail: [String?], _ width: Int
    ) -> (head: StyledLine, room: Int, words: String) {
        let isWide = width >= 70
        let head = label.padded(to: isWide ? max(Self.labelWidth, label.width + 1) : label.width + 1)
        // A narrow terminal's bar needs a few cells before words do.
        let space = isWide ? Self.tailWidth : max(width - head.width - 10, 0)
        var words = ""
        for word in tail.compactMap({ $0 }) {
            let longer = words.isEmpty ? word : words + "  " + word
            if CellWidth.of(longer) + 2 <= space { words = longer }
        }
        let room = width - head.width - (isWide ? Self.tailWidth : words.isEmpty ? 0 : CellWidth.of(words) + 2)
        return (head, min(max(room, 0), Self.longestBar), words)
    }

    /// A length of time that is mostly short: `0.4 s`, `2 min 05 s`.
    private func span(_ seconds: Double) -> String {
        seconds < 59.95 ? "\(fixed(seconds, 1)) s" : timeSpan(seconds)
    }

    // MARK: Figures

    /// Figures that say whether the run is healthy, those that matter most first.
    private var health: [StyledLine] {
        [
            figure("grad", "grad_norm") { fixed($0, 3) },
            figure("entropy", "entropy") { fixed($0, 3) },
            figure("equal groups", "frac_reward_zero_std", percent),
            figure("cut off", "completions/clipped_ratio", percent),
            figure("kl", "kl") { fixed($0, 4) },
            figure("lr", "learning_rate", scientific),
            figure("clipped", "clip_ratio/region_mean", percent),
            figure("reward std", "reward_std") { fixed($0, 3) },
        ].compactMap { $0 }
    }

    private func figure(_ label: String, _ metric: String, _ text: (Double) -> String) -> StyledLine? {
        guard let value = state.metrics[metric] else { return nil }
        let isHealthy = HealthyRange.range(of: metric)?.contains(value) ?? true
        return StyledLine("\(label) \(text(value))", isHealthy ? .plain : .warning)
    }

    private var resources: [StyledLine] {
        var items: [String?] = [memory]
        if let seconds = state.metrics["step_time"] { items.append("last step \(span(seconds))\(split(seconds))") }
        items.append(state.metrics["tokens_per_second"].map { "\(fixed($0, 0)) tok/s overall" })
        items.append(state.lastCheckpoint.map { "saved \($0.split(separator: "/").last.map(String.init) ?? $0)" })
        return items.compactMap { $0.map { StyledLine($0, .dim) } }
    }

    private var memory: String? {
        guard let residentMemory else { return nil }
        let planned = state.plannedMemory.map { " of at most \(byteCount($0))" } ?? ""
        return "memory \(byteCount(residentMemory))\(planned)"
    }

    /// Where a step's time went.
    private func split(_ seconds: Double) -> String {
        let parts = ["rollout", "reward", "train"].compactMap { name in
            state.metrics["time/\(name)"].map { "\(name) \(percent($0 / max(seconds, 1e-9)))" }
        }
        return parts.isEmpty ? "" : ": " + parts.joined(separator: ", ")
    }

    /// What fits of some items into some lines: each goes to the first line with room for it.
    private func wrapped(_ items: [StyledLine], _ width: Int, rows: Int) -> [StyledLine] {
        var lines: [StyledLine] = []
        for item in items {
            if let index = lines.firstIndex(where: { $0.width + 2 + item.width <= width }) {
                lines[index].append("  ")
                lines[index].append(item)
            } else if lines.count < rows, lines.isEmpty || item.width <= width {
                lines.append(item)
            }
        }
        return lines
    }
}

/// A number of bytes for people: `310 MiB`, `1.2 GiB`.
func byteCount(_ bytes: Int) -> String {
    let mebibytes = Double(bytes) / 1_048_576
    return mebibytes < 1000 ? "\(fixed(mebibytes, 0)) MiB" : "\(fixed(mebibytes / 1024, 1)) GiB"
}
