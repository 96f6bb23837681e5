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
        case .digit: scalar.properties.isNumber
        case .punctuation: scalar.properties.isPunctuation || scalar.isASCIISymbol
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

extension ArraySlice<UInt8> {
    /// Calls `body` with each scalar of valid UTF-8 and where it lies.
    func forEachScalar(_ body: (Unicode.Scalar, Range<Int>) -> Void) {
        var at = startIndex
        while at < endIndex {
            let lead = self[at]
            let length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
            let end = Swift.min(at + length, endIndex)
            var value = UInt32(lead) & (length == 1 ? 0x7F : 0x7F >> UInt32(length))
            for next in at + 1..<Swift.max(end, at + 1) { value = value << 6 | UInt32(self[next] & 0x3F) }
            body(Unicode.Scalar(value) ?? "\u{FFFD}", at..<end)
            at = end
        }
    }
}

extension Unicode.Scalar {
    /// `\w` of Rust's regular expressions.
    var isWord: Bool {
        if isASCII { return (0x30...0x39).contains(value) || (0x61...0x7A).contains(value | 0x20) || value == 0x5F }
        let properties = properties
        switch properties.generalCategory {
        case .decimalNumber, .connectorPunctuation, .nonspacingMark, .spacingMark, .enclosingMark: return true
        default: return properties.isAlphabetic || properties.isJoinControl
        }
    }

    /// Whether ASCII calls it punctuation, though Unicode may call it a symbol.
    var isASCIISymbol: Bool {
        (0x21...0x2F).contains(value) || (0x3A...0x40).contains(value) || (0x5B...0x60).contains(value)
            || (0x7B...0x7E).contains(value)
    }
}

extension Unicode.Scalar.Properties {
    /// `\p{N}`
    var isNumber: Bool {
        switch generalCategory {
        case .decimalNumber, .letterNumber, .otherNumber: true
        default: false
        }
    }

    /// `\p{P}`
    var isPunctuation: Bool {
        switch generalCategory {
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
            .finalPunctuation, .otherPunctuation:
            true
        default: false
        }
    }

    /// `\p{M}`
    var isMark: Bool {
        switch generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark: true
        default: false
        }
    }
}
