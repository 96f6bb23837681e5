/// The characters at which text is cut one by one.
enum CharacterKind: Sendable, Equatable {
    /// Every kind of number that Unicode knows.
    case digit
    /// Unicode's punctuation, and what else ASCII has of it.
    case punctuation
    case whiteSpace
    /// One character.
    case only(Unicode.Scalar)

    func contains(_ scalar: Unicode.Scalar) -> Bool {
        switch self {
        case .digit: scalar.isNumber
        case .punctuation: scalar.isPunctuation
        case .whiteSpace: scalar.properties.isWhitespace
        case .only(let other): scalar == other
        }
    }

    /// Calls `body` with the range of each such character.
    func forEachCharacter(in text: ArraySlice<UInt8>, _ body: (Range<Int>) -> Void) {
        text.forEachScalar { scalar, range in
            if contains(scalar) { body(range) }
        }
    }
}

/// What `\w+|[^\w\s]+` tells apart, as Rust's regular expressions know words.
enum WordKind {
    case word, space, other

    init(_ scalar: Unicode.Scalar) {
        if scalar.isWord {
            self = .word
        } else {
            self = scalar.properties.isWhitespace ? .space : .other
        }
    }

    /// Calls `body` with each run of one kind that is not white space.
    static func forEachWord(in text: ArraySlice<UInt8>, _ body: (Range<Int>) -> Void) {
        var (start, last): (Int, Self) = (text.startIndex, .space)
        text.forEachScalar { scalar, range in
            let kind = Self(scalar)
            guard kind != last else { return }
            if last != .space { body(start..<range.lowerBound) }
            (start, last) = (range.lowerBound, kind)
        }
        if last != .space { body(start..<text.endIndex) }
    }
}

extension UInt8 {
    /// How many bytes a scalar takes that begins with this one, in valid UTF-8.
    @inline(__always) var scalarLength: Int { self < 0x80 ? 1 : self < 0xE0 ? 2 : self < 0xF0 ? 3 : 4 }
}

extension ArraySlice<UInt8> {
    /// Calls `body` with each scalar of valid UTF-8 and where it lies.
    func forEachScalar(_ body: (Unicode.Scalar, Range<Int>) -> Void) {
        var at = startIndex
        while at < endIndex {
            let lead = self[at]
            let length = lead.scalarLength
            let end = Swift.min(at + length, endIndex)
            var value = UInt32(lead) & (length == 1 ? 0x7F : 0x7F >> UInt32(length))
            for next in at + 1..<Swift.max(end, at + 1) { value = value << 6 | UInt32(self[next] & 0x3F) }
            body(Unicode.Scalar(value) ?? "\u{FFFD}", at..<end)
            at = end
        }
    }
}
