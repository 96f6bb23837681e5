extension PatternParser {
    /// What an opening parenthesis begins; nothing for a comment or for flags.
    mutating func group(
        _ open: Token, _ isVerbose: inout Bool, depth: Int, mayFlag: Bool
    ) throws(PatternError) -> PatternNode? {
        guard accept("?") else { return try capture([], open, isVerbose, depth) }
        guard let kind = take() else { throw endOfPattern }
        switch kind.isEscape ? "\\" : kind.scalar {
        case "P": return try named(open, isVerbose, depth)
        case ":": return .group(nil, adding: [], removing: [], try contents(open, isVerbose, depth))
        case ">": return .atomic(try contents(open, isVerbose, depth))
        case "=": return .look(behind: 0, isNegative: false, try contents(open, isVerbose, depth))
        case "!": return .look(behind: 0, isNegative: true, try contents(open, isVerbose, depth))
        case "<": return try lookbehind(open, isVerbose, depth)
        case "(": return try conditional(open, isVerbose, depth)
        case "#": return try skipComment(open)
        case "-", "i", "m", "s", "x", "a", "u", "L":
            if let (added, removed) = try changes(from: kind) {
                let staysVerbose = (isVerbose || added.contains(.verbose)) && !removed.contains(.verbose)
                return .group(nil, adding: added, removing: removed, try contents(open, staysVerbose, depth))
            }
            guard mayFlag else { throw misplacedFlags(open) }
            isVerbose = flags.contains(.verbose)
            return nil
        default: throw unknownExtension(kind.shown, open)
        }
    }

    private mutating func skipComment(_ open: Token) throws(PatternError) -> PatternNode? {
        while let token = take() {
            if token.isPlain(")") { return nil }
        }
        throw .invalid("missing ), unterminated comment", position: open.position)
    }

    private func misplacedFlags(_ open: Token) -> PatternError {
        .invalid("global flags not at the start of the expression", position: open.position)
    }

    private func unknownExtension(_ shown: String, _ open: Token) -> PatternError {
        .invalid("unknown extension ?\(shown)", position: open.position + 1)
    }

    private var endOfPattern: PatternError { .invalid("unexpected end of pattern", position: position) }

    private mutating func contents(
        _ open: Token, _ isVerbose: Bool, _ depth: Int
    ) throws(PatternError) -> [PatternNode] {
        try checkDepth(depth, open)
        let nodes = try alternatives(isVerbose, depth: depth + 1)
        try close(open)
        return nodes
    }

    private func checkDepth(_ depth: Int, _ open: Token) throws(PatternError) {
        guard depth < Self.depthLimit else {
            throw .unsupported("groups within more than \(Self.depthLimit) groups are", position: open.position)
        }
    }

    private mutating func close(_ open: Token) throws(PatternError) {
        guard accept(")") else { throw .invalid("missing ), unterminated subpattern", position: open.position) }
    }

    private mutating func capture(
        _ name: [Unicode.Scalar], _ open: Token, _ isVerbose: Bool, _ depth: Int
    ) throws(PatternError) -> PatternNode {
        let number = try begin(name, open)
        let nodes = try contents(open, isVerbose, depth)
        groups[number] = nodes.width
        return .group(number, adding: [], removing: [], nodes)
    }

    private mutating func begin(_ name: [Unicode.Scalar], _ open: Token) throws(PatternError) -> Int {
        groups.append(nil)
        guard name.isEmpty || names.updateValue(groupCount, forKey: name) == nil else {
            throw .invalid("redefinition of group name \(name.shown)", position: open.position)
        }
        return groupCount
    }

    /// `(?P<name>…)` and `(?P=name)`
    private mutating func named(_ open: Token, _ isVerbose: Bool, _ depth: Int) throws(PatternError) -> PatternNode {
        if accept("<") { return try capture(try identifier(upTo: ">", open), open, isVerbose, depth) }
        if accept("=") { return try reference(try group(named: try identifier(upTo: ")", open), open), open) }
        guard let kind = take() else { throw endOfPattern }
        throw unknownExtension("P\(kind.shown)", open)
    }

    private func group(named name: [Unicode.Scalar], _ open: Token) throws(PatternError) -> Int {
        guard let group = names[name] else {
            throw .invalid("unknown group name \(name.shown)", position: open.position)
        }
        return group
    }

    /// A reference to a group that is complete, by this place.
    func reference(_ group: Int, _ token: Token) throws(PatternError) -> PatternNode {
        guard let width = groups[group] else {
            throw .invalid("cannot refer to an open group", position: token.position)
        }
        try checkLookbehind(group, token)
        return .reference(group: group, width)
    }

    private func checkLookbehind(_ group: Int, _ token: Token) throws(PatternError) {
        guard let before = groupsBeforeLookbehind else { return }
        guard group < groups.count, groups[group] != nil else {
            throw .invalid("cannot refer to an open group", position: token.position)
        }
        guard group < before else {
            throw .invalid(
                "cannot refer to group defined in the same lookbehind subpattern", position: token.position)
        }
    }

    private func badName(_ name: [Unicode.Scalar], _ token: Token) -> PatternError {
        .invalid("bad character in group name \(name.shown)", position: token.position)
    }

    private mutating func name(upTo end: Unicode.Scalar) throws(PatternError) -> [Unicode.Scalar] {
        let start = position
        var name: [Unicode.Scalar] = []
        while let token = take() {
            guard !token.isPlain(end) else {
                guard !name.isEmpty else { throw .invalid("missing group name", position: start) }
                return name
            }
            name += token.isEscape ? ["\\", token.scalar] : [token.scalar]
        }
        throw .invalid(name.isEmpty ? "missing group name" : "missing \(end), unterminated name", position: start)
    }

    private mutating func identifier(
        upTo end: Unicode.Scalar, _ open: Token
    ) throws(PatternError) -> [Unicode.Scalar] {
        let name = try name(upTo: end)
        guard name.isPythonIdentifier else { throw badName(name, open) }
        return name
    }

    /// `(?<=…)` and `(?<!…)`
    private mutating func lookbehind(
        _ open: Token, _ isVerbose: Bool, _ depth: Int
    ) throws(PatternError) -> PatternNode {
        guard let kind = take() else { throw endOfPattern }
        guard kind.isPlain("=") || kind.isPlain("!") else { throw unknownExtension("<\(kind.shown)", open) }
        let outer = groupsBeforeLookbehind
        groupsBeforeLookbehind = outer ?? groups.count
        let nodes = try contents(open, isVerbose, depth)
        groupsBeforeLookbehind = outer
        return .look(behind: try fixedWidth(nodes, open), isNegative: kind.scalar == "!", nodes)
    }

    private func fixedWidth(_ nodes: [PatternNode], _ open: Token) throws(PatternError) -> Int {
        let width = nodes.width
        guard width.minimum <= UInt32.max else { throw .invalid("looks too much behind", position: open.position) }
        guard width.minimum == width.maximum else {
            throw .invalid("look-behind requires fixed-width pattern", position: open.position)
        }
        return width.minimum
    }

    /// `(?(group)yes|no)`
    private mutating func conditional(
        _ open: Token, _ isVerbose: Bool, _ depth: Int
    ) throws(PatternError) -> PatternNode {
        try checkDepth(depth, open)
        let group = try condition(open)
        try checkLookbehind(group, open)
        let nodes = try sequence(isVerbose, depth: depth + 1)
        let otherwise = accept("|") ? try sequence(isVerbose, depth: depth + 1) : []
        guard next?.isPlain("|") != true else {
            throw .invalid("conditional backref with more than two branches", position: position)
        }
        try close(open)
        return .conditional(group: group, nodes, otherwise: otherwise)
    }

    private mutating func condition(_ open: Token) throws(PatternError) -> Int {
        let name = try name(upTo: ")")
        if name.isPythonIdentifier { return try group(named: name, open) }
        guard name.allSatisfy({ ("0"..."9").contains($0) }) else { throw badName(name, open) }
        // A number that does not fit is no group either.
        let group = Int(String(String.UnicodeScalarView(name))) ?? .max
        guard group > 0 else { throw .invalid("bad group number", position: open.position) }
        conditions.append((group, open.position))
        return group
    }
}

extension PatternParser.Token {
    /// The token as it is written, on one line.
    var shown: String { [scalar].shown(isEscape ? "\\" : "") }
}

extension [Unicode.Scalar] {
    /// The text in quotes, on one line.
    fileprivate var shown: String { "'\(shown(""))'" }

    fileprivate func shown(_ prefix: String) -> String {
        prefix + map { $0.escaped(asASCII: false) }.joined()
    }

    /// `str.isidentifier()`
    fileprivate var isPythonIdentifier: Bool {
        guard let first, first == "_" || first.properties.isXIDStart else { return false }
        return allSatisfy(\.properties.isXIDContinue)
    }
}
