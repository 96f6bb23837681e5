extension PatternParser {
    /// The flags that a group switches on and off; none where they are for the whole pattern, which then has them.
    mutating func changes(
        from first: Token
    ) throws(PatternError) -> (added: PythonPattern.Flags, removed: PythonPattern.Flags)? {
        var added: PythonPattern.Flags = []
        var token: Token? = first
        while let letter = token, !letter.isOneOf("-", ":", ")") {
            let flag = try flag(letter)
            added.formUnion(flag)
            guard !added.isSuperset(of: [.ascii, .unicode]) else {
                throw .invalid("bad inline flags: flags 'a', 'u' and 'L' are incompatible", position: letter.position)
            }
            token = take()
        }
        guard let end = token else { throw .invalid("missing -, : or )", position: position) }
        if end.scalar == ")" {
            flags.formUnion(added)
            return nil
        }
        let removed = end.scalar == "-" ? try removedFlags() : []
        guard added.isDisjoint(with: removed) else {
            throw .invalid("bad inline flags: flag turned on and off", position: end.position)
        }
        return (added, removed)
    }

    private mutating func removedFlags() throws(PatternError) -> PythonPattern.Flags {
        var removed: PythonPattern.Flags = []
        repeat {
            guard let letter = take() else { throw .invalid("missing flag", position: position) }
            let flag = try flag(letter)
            guard flag.isDisjoint(with: [.ascii, .unicode]) else {
                throw .invalid("bad inline flags: cannot turn off flags 'a', 'u' and 'L'", position: letter.position)
            }
            removed.formUnion(flag)
        } while !accept(":")
        return removed
    }

    private func flag(_ letter: Token) throws(PatternError) -> PythonPattern.Flags {
        switch letter.isEscape ? "\\" : letter.scalar {
        case "i": return .ignoreCase
        case "m": return .multiline
        case "s": return .dotAll
        case "x": return .verbose
        case "a": return .ascii
        case "u": return .unicode
        case "L":
            throw .invalid("bad inline flags: cannot use 'L' flag with a str pattern", position: letter.position)
        default: throw .invalid("unknown flag \(letter.shown)", position: letter.position)
        }
    }
}

extension PatternParser.Token {
    fileprivate func isOneOf(_ scalars: Unicode.Scalar...) -> Bool { !isEscape && scalars.contains(scalar) }
}
