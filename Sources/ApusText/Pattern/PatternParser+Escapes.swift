extension PatternParser {
    /// What a backslash and the code point after it mean outside of a set.
    mutating func escape(_ token: Token) throws(PatternError) -> PatternNode {
        switch token.scalar {
        case "A": return .place(.textStart)
        case "Z": return .place(.textEnd)
        case "b": return .place(.boundary)
        case "B": return .place(.notBoundary)
        case "0": return .one(.literal(octal("0" + digits(8, atMost: 2))))
        case "1"..."9": return try numbered(token)
        default:
            if let category = Self.category(token) { return .one(.set([category], isNegated: false)) }
            return .one(.literal(try character(token)))
        }
    }

    /// A group by its number, or a code point by three octal digits.
    private mutating func numbered(_ token: Token) throws(PatternError) -> PatternNode {
        var number = String(token.scalar) + digits(atMost: 1)
        if number.utf8.count == 2, number.allSatisfy({ ("0"..."7").contains($0) }) {
            let last = digits(8, atMost: 1)
            number += last
            if !last.isEmpty { return .one(.literal(try octal(number, token))) }
        }
        guard let group = Int(number), group < groups.count else {
            throw .invalid("invalid group reference \(number)", position: token.position)
        }
        return try reference(group, token)
    }

    private func octal(_ digits: String) -> UInt32 { UInt32(digits, radix: 8) ?? 0 }

    private func octal(_ digits: String, _ token: Token) throws(PatternError) -> UInt32 {
        guard octal(digits) <= 0o377 else {
            throw .invalid("octal escape value \\\(digits) outside of range 0-0o377", position: token.position)
        }
        return octal(digits)
    }

    private static func category(_ token: Token) -> PatternItem? {
        switch token.scalar {
        case "d": .category(.digit, isNegated: false)
        case "D": .category(.digit, isNegated: true)
        case "s": .category(.space, isNegated: false)
        case "S": .category(.space, isNegated: true)
        case "w": .category(.word, isNegated: false)
        case "W": .category(.word, isNegated: true)
        default: nil
        }
    }

    /// The code point that an escape stands for.
    private mutating func character(_ token: Token) throws(PatternError) -> UInt32 {
        switch token.scalar {
        case "a": return 7
        case "f": return 12
        case "n": return 10
        case "r": return 13
        case "t": return 9
        case "v": return 11
        case "x": return try hexadecimal(2, token)
        case "u": return try hexadecimal(4, token)
        case "U":
            let value = try hexadecimal(8, token)
            guard value <= 0x10FFFF else { throw .invalid("bad escape \(token.shown)", position: token.position) }
            return value
        case "N": throw .unsupported("characters by name (\\N{…}) are", position: token.position)
        case "0"..."9", "A"..."Z", "a"..."z":
            throw .invalid("bad escape \(token.shown)", position: token.position)
        default: return token.scalar.value
        }
    }

    private mutating func hexadecimal(_ count: Int, _ token: Token) throws(PatternError) -> UInt32 {
        let digits = digits(16, atMost: count)
        guard digits.utf8.count == count, let value = UInt32(digits, radix: 16) else {
            throw .invalid("incomplete escape \(token.shown)\(digits)", position: token.position)
        }
        return value
    }

    /// `[…]`
    mutating func set(_ open: Token) throws(PatternError) -> PatternUnit {
        let isNegated = accept("^")
        var items: [PatternItem] = []
        while true {
            guard let token = take() else { throw unterminated(open) }
            if token.isPlain("]"), !items.isEmpty { break }
            let item = try member(token)
            guard accept("-") else {
                items.append(item)
                continue
            }
            guard let last = take() else { throw unterminated(open) }
            if last.isPlain("]") {
                items += [item, .literal(("-" as Unicode.Scalar).value)]
                break
            }
            guard case .literal(let low) = item, case .literal(let high) = try member(last), low <= high else {
                throw .invalid("bad character range \(token.shown)-\(last.shown)", position: token.position)
            }
            items.append(.range(low, high))
        }
        guard case .literal(let value)? = items.first, items.allSatisfy({ $0 == items[0] }) else {
            return .set(items, isNegated: isNegated)
        }
        return isNegated ? .notLiteral(value) : .literal(value)
    }

    private func unterminated(_ open: Token) -> PatternError {
        .invalid("unterminated character set", position: open.position)
    }

    private mutating func member(_ token: Token) throws(PatternError) -> PatternItem {
        guard token.isEscape else { return .literal(token.scalar.value) }
        switch token.scalar {
        case "b": return .literal(8)
        case "0"..."7": return .literal(try octal(String(token.scalar) + digits(8, atMost: 2), token))
        default:
            if let category = Self.category(token) { return category }
            return .literal(try character(token))
        }
    }
}
