import Foundation
import Synchronization

/// Standard output and standard error, and what they can show. Text that others wrote (models, files, users) reaches a terminal
/// without control characters, and anything else as it is.
enum Terminal {
    /// Whether standard error is a terminal that understands a line being rewritten, and the user wants to see one.
    static var showsProgress: Bool { errorTraits.redraws && !isProgressSuppressed.load(ordering: .relaxed) }

    /// Whether standard output is a terminal with room for a panel, and the user wants to see one.
    static var showsPanel: Bool { outputTraits.redraws && !isProgressSuppressed.load(ordering: .relaxed) }

    private static let isProgressSuppressed = Atomic(false)

    /// From now on only plain lines are written.
    static func suppressProgress() { isProgressSuppressed.store(true, ordering: .relaxed) }

    private static let errorTraits = TerminalTraits(
        isTerminal: isatty(STDERR_FILENO) == 1, environment: ProcessInfo.processInfo.environment)

    /// What standard output can show.
    static let outputTraits = TerminalTraits(
        isTerminal: isatty(STDOUT_FILENO) == 1, environment: ProcessInfo.processInfo.environment)

    /// Whether standard output may be coloured: a terminal, and the user did not set NO_COLOR (no-color.org).
    static var showsColor: Bool { outputTraits.showsColor }

    /// Columns of the terminal that standard output is; nil when it is none.
    static var outputColumns: Int? { outputSize?.columns }

    /// Columns and rows of the terminal that standard output is; nil when it is none.
    static var outputSize: (columns: Int, rows: Int)? { size(of: STDOUT_FILENO) }

    /// Whether the shell lets this program write to its terminal now.
    static var isInForeground: Bool {
        let group = tcgetpgrp(STDOUT_FILENO)
        return group < 0 || group == getpgrp()
    }

    private static func size(of descriptor: Int32) -> (columns: Int, rows: Int)? {
        var size = winsize()
        guard isatty(descriptor) == 1, ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
            return nil
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// What is on the screen that later output has to make room for.
    private struct Screen {
        var hasTransientLine = false
        var panel = PanelScreen()
    }

    private static let screen = Mutex(Screen())

    /// One line on standard output, at once.
    static func printLine(_ line: String) { printLine(StyledLine(line)) }

    /// One line on standard output, at once, in colours where these can be shown.
    static func printLine(_ line: StyledLine) {
        let text = outputTraits.rendered(line)
        screen.withLock { screen in
            clearTransientLine(&screen)
            withoutPanel(&screen) { $0 + text + "\n" }
        }
    }

    /// Text on standard output without a line break, at once.
    static func stream(_ text: String) {
        write(outputTraits.rendered(StyledLine(text)), to: .standardOutput)
    }

    /// One line on standard error, after the program's name. Line breaks inside become spaces.
    static func complain(_ message: String) {
        let line = "apus: " + message.split(whereSeparator: \.isNewline).joined(separator: " ")
        screen.withLock { screen in
            clearTransientLine(&screen)
            withoutPanel(&screen) { erasure in
                if !erasure.isEmpty { write(erasure, to: .standardOutput) }
                writeError(StyledLine(line))
                return ""
            }
        }
    }

    /// A remark on standard error that scripts have no use for, dim where that can be shown. Call only when `showsProgress`.
    static func remark(_ text: String) {
        clearTransientLine()
        writeError(StyledLine(text, .dim))
    }

    /// One line that the user's Python or a package of theirs printed, on standard error.
    ///
    /// - Parameter source: what printed it, such as `reward`.
    static func printOutput(_ line: String, of source: String) {
        clearTransientLine()
        writeError(StyledLine(line.hasPrefix("apus: ") ? line : "\(source): \(line)"))
    }

    private static func writeError(_ line: StyledLine) {
        write(errorTraits.rendered(line) + "\n", to: .standardError)
    }

    /// Shows a line that the next one replaces; does nothing unless `showsProgress`. It is cut to the terminal's width: one
    /// that wraps could not be taken back.
    static func showTransient(_ line: String) {
        guard showsProgress else { return }
        screen.withLock { screen in
            screen.hasTransientLine = true
            let room = (size(of: STDERR_FILENO)?.columns ?? 80) - 1
            write("\r\u{1B}[K\(line.printable.prefix(room))", to: .standardError)
        }
    }

    /// Removes the transient line, if one is shown.
    static func clearTransientLine() {
        screen.withLock { clearTransientLine(&$0) }
    }

    private static func clearTransientLine(_ screen: inout Screen) {
        if screen.hasTransientLine { write("\r\u{1B}[K", to: .standardError) }
        screen.hasTransientLine = false
    }

    // MARK: Panel

    /// Draws lines at the bottom of standard output in the place of those before; no lines remove them. Call only when
    /// `showsPanel`. The lines must fit the terminal.
    static func showPanel(_ lines: [StyledLine]) {
        screen.withLock { screen in
            guard !lines.isEmpty || !screen.panel.lines.isEmpty else { return }
            write(drawing(lines, &screen), to: .standardOutput)
        }
    }

    /// Leaves the panel that was drawn where it is, and draws the next one below: the program was stopped in between, and
    /// others wrote.
    static func forgetPanel() {
        screen.withLock { $0.panel.forget() }
    }

    /// Takes the panel away, writes what `text` makes of the escape sequence for that, and draws the panel again.
    private static func withoutPanel(_ screen: inout Screen, _ text: (_ erasure: String) -> String) {
        let lines = screen.panel.lines
        guard !lines.isEmpty else { return write(text(""), to: .standardOutput) }
        let above = text(screen.panel.erasure(columns: outputColumns ?? 80))
        write(above + drawing(lines, &screen), to: .standardOutput)
    }

    private static func drawing(_ lines: [StyledLine], _ screen: inout Screen) -> String {
        screen.panel.drawing(lines.map(\.printable), columns: outputColumns ?? 80, isColored: showsColor)
    }

    /// A reader that has gone away (a closed pipe) is no reason to lose a run: what cannot be written is dropped.
    private static func write(_ text: String, to handle: FileHandle) {
        guard !text.isEmpty else { return }
        try? handle.write(contentsOf: Data(text.utf8))
    }
}
