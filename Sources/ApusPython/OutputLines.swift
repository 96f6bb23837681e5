/// Cuts what a process prints into lines, and stops passing them on when they become a flood.
struct OutputLines {
    private var pending: [UInt8] = []
    private var shown = 0
    /// The last line that was passed on.
    private(set) var last: String?
    private var dropped = 0

    /// Lines that are passed on before the rest is only counted.
    private static let limit = 1000
    /// Longer lines are cut: a process may print without ever ending one.
    private static let lineLength = 1000

    /// Adds bytes; gives the lines that they complete.
    mutating func append(_ bytes: ArraySlice<UInt8>) -> [String] {
        var lines: [String] = []
        for byte in bytes {
            guard byte == UInt8(ascii: "\n") else {
                if pending.count < Self.lineLength { pending.append(byte) }
                continue
            }
            take().map { lines.append($0) }
        }
        return lines
    }

    /// The last line, if it was not ended, and how many were not shown.
    mutating func finish() -> [String] {
        var lines = pending.isEmpty ? [] : [take()].compactMap(\.self)
        if dropped > 0 { lines.append("(\(dropped) more lines were printed)") }
        dropped = 0
        return lines
    }

    private mutating func take() -> String? {
        defer { pending.removeAll(keepingCapacity: true) }
        shown += 1
        guard shown <= Self.limit else {
            dropped += 1
            return shown == Self.limit + 1 ? "(from here on, what the reward functions print is only counted)" : nil
        }
        last = String(decoding: pending, as: UTF8.self)
        return last
    }
}
