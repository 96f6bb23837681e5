/// Reads scalars and runs of one class from valid UTF-8. The split patterns are written on top of it by hand: a regular
/// expression engine does the same work ten to a hundred times slower.
struct TextScanner {
    private let bytes: ArraySlice<UInt8>
    private let classes = UnicodeClasses.shared

    /// Where the text ends: no look goes beyond, though more may follow it.
    let end: Int

    /// `bytes` must be valid UTF-8.
    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        end = bytes.endIndex
    }

    func byte(at index: Int) -> UInt8? { index < end ? bytes[index] : nil }

    func isNewline(at index: Int) -> Bool {
        index < end && (bytes[index] == 0x0A || bytes[index] == 0x0D)
    }

    /// The class of the scalar at `index` and the index after it.
    @inline(__always)
    func scalar(at index: Int) -> (class: ScalarClass, end: Int) {
        let first = bytes[index]
        if first < 0x80 { return (classes[UInt32(first)], index + 1) }
        let length = first.scalarLength
        var value = UInt32(first) & (0x7F >> UInt32(length))
        for next in (index + 1)..<(index + length) { value = value << 6 | UInt32(bytes[next] & 0x3F) }
        return (classes[value], index + length)
    }

    /// The end of the run of scalars of one class that starts at `start`; at most `limit` scalars.
    func endOfRun(of wanted: ScalarClass, from start: Int, limit: Int = .max) -> Int {
        var at = start
        var length = 0
        while at < end, length < limit {
            let next = scalar(at: at)
            guard next.class == wanted else { break }
            at = next.end
            length += 1
        }
        return at
    }

    /// Where `(?!\S)`-style white space ends: `\s+(?!\S)|\s+` leaves the last space of a run to the word behind it.
    func endOfSpaceLeavingLast(from start: Int) -> Int {
        var at = start
        var last = start
        while at < end {
            let next = scalar(at: at)
            guard next.class == .space else { return last > start ? last : at }
            last = at
            at = next.end
        }
        return at
    }

    /// Where `\s*[\r\n]+` ends, or nil where the run of white space holds no line break.
    func endOfLastNewline(from start: Int) -> Int? {
        var at = start
        var found: Int?
        while at < end {
            let next = scalar(at: at)
            guard next.class == .space else { break }
            if isNewline(at: at) { found = next.end }
            at = next.end
        }
        return found
    }

    /// Where `'s|'t|'re|'ve|'m|'ll|'d` ends. Ignoring case also takes U+017F, the long s, which folds to s.
    func endOfContraction(from start: Int, ignoringCase: Bool) -> Int? {
        guard bytes[start] == UInt8(ascii: "'"), start + 1 < end else { return nil }
        let fold: UInt8 = ignoringCase ? 0x20 : 0
        let first = bytes[start + 1] | fold
        let second = start + 2 < end ? bytes[start + 2] : 0
        switch (first, second | fold) {
        case (UInt8(ascii: "s"), _), (UInt8(ascii: "t"), _), (UInt8(ascii: "m"), _), (UInt8(ascii: "d"), _):
            return start + 2
        case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
            (UInt8(ascii: "l"), UInt8(ascii: "l")):
            return start + 3
        default:
            return ignoringCase && bytes[start + 1] == 0xC5 && second == 0xBF ? start + 3 : nil
        }
    }
}
