/// What may be shown where standard output goes: decided by what it is and by the environment.
struct TerminalTraits: Equatable, Sendable {
    /// Whether it is a terminal: whatever is written there may steer it.
    var isTerminal: Bool
    /// Whether a part of the screen may be drawn again and again: a terminal with a cursor that moves, and nobody else's log.
    var redraws: Bool
    /// Whether text may have colours.
    var showsColor: Bool
    /// Whether characters outside of ASCII arrive as what they are.
    var isUTF8: Bool

    /// - Parameters:
    ///   - isTerminal: whether standard output is one.
    ///   - environment: `TERM`, `NO_COLOR` (no-color.org), `CI` and the locale's variables count.
    init(isTerminal: Bool, environment: [String: String]) {
        self.isTerminal = isTerminal
        func value(_ name: String) -> String { environment[name] ?? "" }
        let hasCursor = isTerminal && !["", "dumb"].contains(value("TERM"))
        redraws = hasCursor && ["", "0", "false"].contains(value("CI").lowercased())
        showsColor = hasCursor && value("NO_COLOR").isEmpty
        // The first of these that is set decides, as in POSIX.
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(value).first { !$0.isEmpty } ?? ""
        isUTF8 = ["utf-8", "utf8"].contains { locale.lowercased().contains($0) }
    }

    var glyphs: Glyphs { isUTF8 ? .unicode : .ascii }

    /// A line as it is written: on a terminal without what steers one, in colours where it may have them; elsewhere as it is.
    func rendered(_ line: StyledLine) -> String {
        let line = isTerminal ? line.printable : line
        return showsColor ? line.coloredText : line.text
    }
}
