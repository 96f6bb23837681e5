/// Cuts a template into tokens, trimming white space as Jinja2 does with `trim_blocks` and `lstrip_blocks`: chat
/// templates are written for these settings.
struct Lexer {
    /// Longest template, and most tokens in one tag: far above any real template, low enough that no syntax tree is
    /// deep enough to overflow the stack.
    private static let maximumBytes = 1 << 20
    static let maximumTokensInTag = 2_000

    let bytes: [UInt8]
    var index = 0
    var line = 1
    var tokens: [Token] = []
    /// Whether what was read last ended with a line break, so that white space before a block is an indentation.
    private var isAtLineStart = true

    static func tokens(of source: String) throws(TextError) -> [Token] {
        var lexer = Lexer(source)
        guard lexer.bytes.count <= maximumBytes else {
            throw TextError(code: .templateLimit, message: "the template is longer than \(maximumBytes) bytes", line: 1)
        }
        while lexer.index < lexer.bytes.count { try lexer.scanTextAndTag() }
        lexer.append(.end)
        return lexer.tokens
    }

    /// Line breaks become "\n", and one at the very end is dropped.
    private init(_ source: String) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(source.utf8.count)
        var previous: UInt8 = 0
        for byte in source.utf8 {
            if byte == 0x0D {
                bytes.append(0x0A)
            } else if byte != 0x0A || previous != 0x0D {
                bytes.append(byte)
            }
            previous = byte
        }
        if bytes.last == 0x0A { bytes.removeLast() }
        self.bytes = bytes
    }

    mutating func append(_ kind: Token.Kind) { tokens.append(Token(kind: kind, line: line)) }

    /// Moves on, counting lines.
    mutating func advance(to end: Int) {
        while index < end {
            if bytes[index] == 0x0A { line += 1 }
            index += 1
        }
    }

    func failure(_ message: String) -> TextError { TextError(code: .templateSyntax, message: message, line: line) }

    func starts(with text: StaticString, at position: Int) -> Bool {
        guard position + text.utf8CodeUnitCount <= bytes.count else { return false }
        return bytes[position...].starts(with: "\(text)".utf8)
    }
}

// MARK: - Text and tags

extension Lexer {
    private mutating func scanTextAndTag() throws(TextError) {
        let start = index
        guard let opening = nextOpening(from: start) else {
            append(.text(String(decoding: bytes[start...], as: UTF8.self)))
            return advance(to: bytes.count)
        }
        let kind = bytes[opening + 1]
        var inside = opening + 2
        let sign = inside < bytes.count ? bytes[inside] : 0
        let isSigned = sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+")
        if isSigned { inside += 1 }
        appendText(start..<opening, sign: sign, isVariable: kind == UInt8(ascii: "{"))
        advance(to: inside)
        switch kind {
        case UInt8(ascii: "#"): try skipComment()
        case UInt8(ascii: "{"): try scanTag(begin: .variableBegin, end: .variableEnd)
        default:
            if let end = endOfRawTag("raw") {
                try scanRawText(from: end)
            } else {
                try scanTag(begin: .blockBegin, end: .blockEnd)
            }
        }
        isAtLineStart = bytes[index - 1] == 0x0A
    }

    private func nextOpening(from start: Int) -> Int? {
        var position = start
        while position + 1 < bytes.count {
            if bytes[position] == UInt8(ascii: "{") {
                switch bytes[position + 1] {
                case UInt8(ascii: "{"), UInt8(ascii: "%"), UInt8(ascii: "#"): return position
                default: break
                }
            }
            position += 1
        }
        return nil
    }

    private mutating func appendText(_ text: Range<Int>, sign: UInt8, isVariable: Bool) {
        let end = endOfText(text, sign: sign, isVariable: isVariable)
        if end > text.lowerBound {
            append(.text(String(decoding: bytes[text.lowerBound..<end], as: UTF8.self)))
        }
    }

    /// Where the text before a tag ends: `-` takes all white space away, and a block or comment that begins its line
    /// takes its indentation, unless `+` forbids it.
    private func endOfText(_ text: Range<Int>, sign: UInt8, isVariable: Bool) -> Int {
        var end = text.upperBound
        if sign == UInt8(ascii: "-") {
            let kept = String(decoding: bytes[text], as: UTF8.self).stripped(of: nil, left: false)
            return text.lowerBound + kept.utf8.count
        }
        guard sign != UInt8(ascii: "+"), !isVariable else { return end }
        while end > text.lowerBound, bytes[end - 1] != 0x0A { end -= 1 }
        let indentation = String(decoding: bytes[end..<text.upperBound], as: UTF8.self)
        guard indentation.unicodeScalars.allSatisfy(\.isPythonSpace) else { return text.upperBound }
        return end > text.lowerBound || isAtLineStart ? end : text.upperBound
    }

    func scalar(at position: Int) -> Unicode.Scalar? {
        guard position < bytes.count else { return nil }
        guard bytes[position] >= 0x80 else { return Unicode.Scalar(bytes[position]) }
        return String(decoding: bytes[position..<min(position + 4, bytes.count)], as: UTF8.self).unicodeScalars.first
    }

    /// Where the white space character at `position` ends, if there is one.
    private func endOfSpace(at position: Int) -> Int? {
        guard let scalar = scalar(at: position), scalar.isPythonSpace else { return nil }
        return position + UTF8.width(scalar)
    }

    private mutating func skipComment() throws(TextError) {
        var end = index
        // Jinja2 overlooks a comment that the template ends with before it has begun.
        guard end < bytes.count else { return }
        while !starts(with: "#}", at: end) {
            guard end < bytes.count else { throw failure("a comment is not closed; add '#}'") }
            end += 1
        }
        let sign = end > index ? bytes[end - 1] : 0
        advance(to: end + 2)
        trimBehindTag(sign: sign, isVariable: false)
    }

    /// A block or comment takes the line break behind it; `-` takes all white space.
    private mutating func trimBehindTag(sign: UInt8, isVariable: Bool) {
        var end = index
        if sign == UInt8(ascii: "-") {
            while let next = endOfSpace(at: end) { end = next }
        } else if sign != UInt8(ascii: "+"), !isVariable, end < bytes.count, bytes[end] == 0x0A {
            end += 1
        }
        advance(to: end)
    }

    /// Where the tag `raw` or `endraw` ends whose name begins here, with the white space or line break that it takes.
    private func endOfRawTag(_ name: StaticString, at start: Int? = nil) -> Int? {
        var position = start ?? index
        while let next = endOfSpace(at: position) { position = next }
        guard starts(with: name, at: position) else { return nil }
        position += name.utf8CodeUnitCount
        while let next = endOfSpace(at: position) { position = next }
        if starts(with: "-%}", at: position) {
            position += 3
            while let next = endOfSpace(at: position) { position = next }
            return position
        }
        let isEnd = starts(with: "+%}", at: position) && start != nil
        guard isEnd || starts(with: "%}", at: position) else { return nil }
        position += isEnd ? 3 : 2
        // The line break behind `raw` is text, and the one behind `endraw` is not.
        return !isEnd && start != nil && position < bytes.count && bytes[position] == 0x0A ? position + 1 : position
    }

    /// Text between `{% raw %}` and `{% endraw %}`, in which nothing is a tag.
    private mutating func scanRawText(from start: Int) throws(TextError) {
        isAtLineStart = bytes[start - 1] == 0x0A
        advance(to: start)
        guard start < bytes.count else { return }
        var position = start
        while position + 1 < bytes.count {
            defer { position += 1 }
            guard starts(with: "{%", at: position) else { continue }
            let sign = position + 2 < bytes.count ? bytes[position + 2] : 0
            let isSigned = sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+")
            guard let end = endOfRawTag("endraw", at: position + (isSigned ? 3 : 2)) else { continue }
            appendText(start..<position, sign: sign, isVariable: false)
            return advance(to: end)
        }
        throw failure("raw text is not closed; add '{% endraw %}'")
    }

    private mutating func scanTag(begin: Token.Kind, end: Token.Kind) throws(TextError) {
        append(begin)
        let first = tokens.count
        let isVariable = end == .variableEnd
        var openBrackets = 0
        while true {
            while let end = endOfSpace(at: index) { advance(to: end) }
            guard index < bytes.count else { throw failure("a tag is not closed; add \(isVariable ? "'}}'" : "'%}'")") }
            guard tokens.count - first < Self.maximumTokensInTag else {
                throw TextError(
                    code: .templateLimit, message: "a tag is longer than \(Self.maximumTokensInTag) tokens", line: line)
            }
            if openBrackets == 0, let (length, sign) = closing(isVariable: isVariable) {
                append(end)
                advance(to: index + length)
                return trimBehindTag(sign: sign, isVariable: isVariable)
            }
            try scanToken()
            guard case .mark(let mark)? = tokens.last?.kind else { continue }
            if "([{".contains(mark) { openBrackets += 1 }
            if ")]}".contains(mark) { openBrackets -= 1 }
        }
    }

    /// The length of the tag's closing at this place, and its sign.
    private func closing(isVariable: Bool) -> (length: Int, sign: UInt8)? {
        let sign = bytes[index]
        let isSigned = sign == UInt8(ascii: "-") || (sign == UInt8(ascii: "+") && !isVariable)
        let position = isSigned ? index + 1 : index
        guard starts(with: isVariable ? "}}" : "%}", at: position) else { return nil }
        return isSigned ? (3, sign) : (2, 0)
    }
}
