import Foundation
import Synchronization

/// Standard output and standard error, and what they can show.
enum Terminal {
    /// Whether standard error is a terminal that understands a line being rewritten.
    static let showsProgress = isatty(STDERR_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"

    /// Whether standard output may be coloured: a terminal, and the user did not set NO_COLOR (no-color.org).
    static let showsColor =
        isatty(STDOUT_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
        && (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty

    /// Columns of the terminal that standard output is; nil when it is none.
    static var outputColumns: Int? { columns(of: STDOUT_FILENO) }

    private static func columns(of descriptor: Int32) -> Int? {
        var size = winsize()
        guard isatty(descriptor) == 1, ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
            return nil
        }
        return Int(size.ws_col)
    }

    private static let transientLine = Mutex(false)

    /// One line on standard output, at once.
    static func printLine(_ line: String) {
        clearTransientLine()
        write(line + "\n", to: .standardOutput)
    }

    /// Text on standard output without a line break, at once.
    static func stream(_ text: String) {
        write(text, to: .standardOutput)
    }

    /// One line on standard error, after the program's name. Line breaks inside become spaces.
    static func complain(_ message: String) {
        clearTransientLine()
        let line = message.split(whereSeparator: \.isNewline).joined(separator: " ")
        write("apus: \(line)\n", to: .standardError)
    }

    /// One line that a reward function printed, on standard error.
    static func printReward(_ line: String) {
        clearTransientLine()
        let visible = line.unicodeScalars.filter { $0.value >= 0x20 || $0 == "\t" }
        write("reward: \(String(String.UnicodeScalarView(visible)))\n", to: .standardError)
    }

    /// Shows a line that the next one replaces. Call only when `showsProgress`. It is cut to the terminal's width: one that
    /// wraps could not be taken back.
    static func showTransient(_ line: String) {
        transientLine.withLock { $0 = true }
        write("\r\u{1B}[K\(line.prefix((columns(of: STDERR_FILENO) ?? 80) - 1))", to: .standardError)
    }

    /// Removes the transient line, if one is shown.
    static func clearTransientLine() {
        let wasShown = transientLine.withLock { shown in
            defer { shown = false }
            return shown
        }
        if wasShown { write("\r\u{1B}[K", to: .standardError) }
    }

    /// A reader that has gone away (a closed pipe) is no reason to lose a run: what cannot be written is dropped.
    private static func write(_ text: String, to handle: FileHandle) {
        try? handle.write(contentsOf: Data(text.utf8))
    }
}
