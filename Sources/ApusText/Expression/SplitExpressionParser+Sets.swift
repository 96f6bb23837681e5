extension SplitExpressionParser {
    /// A character that stands for itself, or for what is the same when case does not count.
    func literal(_ scalar: Unicode.Scalar) throws(PatternError) -> ScalarSet {
        guard ignoresCase else { return .scalar(scalar.value) }
        guard scalar.isASCII else {
            throw .unsupported("letters beyond ASCII where case is ignored are", position: index - 1)
        }
        guard scalar.properties.isAlphabetic else { return .scalar(scalar.value) }
        var same = [scalar.value | 0x20, scalar.value & ~0x20].map(ScalarSet.scalar)
        // The long s and the sign of the kelvin.
        if scalar.value | 0x20 == 0x73 { same.append(.scalar(0x17F)) }
        if scalar.value | 0x20 == 0x6B { same.append(.scalar(0x212A)) }
        return .union(same)
    }

    /// `[…]`, behind its bracket.
    mutating func set(depth: Int) throws(PatternError) -> ScalarSet {
        let start = index - 1
        guard depth < 10 else { throw .unsupported("sets within ten sets are", position: start) }
        let isNegated = accept("^")
        var intersected: [ScalarSet] = []
        var items: [ScalarSet] = []
        var isFirst = true
        while true {
            guard let scalar = take() else { throw .invalid("premature end of char-class", position: start) }
            if scalar == "]", !isFirst { break }
            isFirst = false
            if scalar == "&", accept("&") {
                intersected.append(.union(items))
                items = []
            } else if scalar == "[" {
                if next == ":" { throw .unsupported("POSIX brackets are", position: index - 1) }
                items.append(try set(depth: depth + 1))
            } else {
                items.append(try member(scalar))
            }
        }
        let all = intersected.isEmpty ? ScalarSet.union(items) : .intersection(intersected + [.union(items)])
        return isNegated ? .complement(all) : all
    }

    /// A character, a range of them or an escape within a set.
    private mutating func member(_ scalar: Unicode.Scalar) throws(PatternError) -> ScalarSet {
        let start = index - 1
        let first = scalar == "\\" ? try escapedSet(word: .wordWithinSet) : .scalar(scalar.value)
        let isRange = next == "-" && !isNext("-]")
        guard isRange, case .range(let low) = first, low.count == 1 else { return try folded(first, at: start) }
        index += 1
        guard let scalar = take() else { throw .invalid("premature end of char-class", position: start) }
        let last = scalar == "\\" ? try escapedSet() : .scalar(scalar.value)
        guard case .range(let high) = last, high.count == 1, low.lowerBound <= high.lowerBound else {
            throw .invalid("empty range in char class", position: start)
        }
        return try folded(.range(low.lowerBound...high.lowerBound), at: start)
    }

    /// A member of a set where case may not count.
    private func folded(_ set: ScalarSet, at position: Int) throws(PatternError) -> ScalarSet {
        if ignoresCase { throw .unsupported("sets where case is ignored are", position: position) }
        return set
    }

    /// What the backslash before this place and what follows it stand for.
    mutating func escapedSet(word: ScalarSet = .word) throws(PatternError) -> ScalarSet {
        let start = index - 1
        guard let scalar = take() else { throw .invalid("end pattern at escape", position: start) }
        switch scalar {
        case "s": return .space
        case "S": return .complement(.space)
        case "d": return .digit
        case "D": return .complement(.digit)
        case "w": return word
        case "W": return .complement(word)
        case "p", "P": return try property(isNegated: scalar == "P", start)
        case "n": return .scalar(10)
        case "r": return .scalar(13)
        case "t": return .scalar(9)
        case "f": return .scalar(12)
        case "v": return .scalar(11)
        case "a": return .scalar(7)
        case "e": return .scalar(27)
        case "x": return try hexadecimal(accept("{") ? nil : 2, start)
        case "u": return try hexadecimal(4, start)
        case "0"..."9", "A"..."Z", "a"..."z":
            throw .unsupported("the escape \\\(scalar) is", position: start)
        default: return try literal(scalar)
        }
    }

    private mutating func property(isNegated: Bool, _ start: Int) throws(PatternError) -> ScalarSet {
        guard accept("{") else { throw .invalid("invalid character property name", position: start) }
        let isCircumflexed = accept("^")
        var name = ""
        while let scalar = take(), scalar != "}" {
            name.unicodeScalars.append(scalar)
            guard name.unicodeScalars.count < 40 else { break }
        }
        guard let set = ScalarSet(property: name) else {
            throw .unsupported("the property '\(name)' is", position: start)
        }
        if ignoresCase { throw .unsupported("properties where case is ignored are", position: start) }
        return isNegated != isCircumflexed ? .complement(set) : set
    }

    /// The character of so many hexadecimal digits, or of those up to a closing brace.
    private mutating func hexadecimal(_ count: Int?, _ start: Int) throws(PatternError) -> ScalarSet {
        var value: UInt32 = 0
        var read = 0
        while read < count ?? 8, let scalar = next, scalar.isASCII, let digit = Character(scalar).hexDigitValue {
            value = value << 4 | UInt32(digit)
            read += 1
            index += 1
        }
        guard read > 0, count == nil || read == count, count != nil || accept("}"), value <= 0x10FFFF else {
            throw .invalid("invalid code point value", position: start)
        }
        return .scalar(value)
    }
}
