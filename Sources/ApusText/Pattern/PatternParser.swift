/// Reads a pattern as CPython's `re` does, quirks included: what is an error there is one here.
struct PatternParser {
    /// A code point of the pattern, or a backslash with the one after it: Python never looks at half of such a pair, not
    /// even in a comment.
    struct Token {
        let scalar: Unicode.Scalar
        let isEscape: Bool
        let position: Int

        func isPlain(_ scalar: Unicode.Scalar) -> Bool { !isEscape && scalar == self.scalar }
    }

    /// Python's limit for a number of repetitions.
    private static let repetitionLimit = 4_294_967_295
    /// Reading, compiling and releasing a pattern go into its groups by recursion, on whatever stack there is.
    static let depthLimit = 50
    /// More than anyone writes by hand, and little enough for a program of any pattern to fit memory.
    private static let lengthLimit = 100_000

    private let tokens: [Token]
    private let length: Int
    private(set) var index = 0

    /// The flags for the whole pattern, with those that the pattern itself sets.
    var flags: PythonPattern.Flags
    /// The width of every group, none while it is open. The first is the whole pattern.
    var groups: [PatternWidth?] = [nil]
    /// By code points: Swift's strings take other spellings of the same letter for equal.
    var names: [[Unicode.Scalar]: Int] = [:]
    /// How many groups there were where the outermost lookbehind began.
    var groupsBeforeLookbehind: Int?
    /// Groups that conditions ask for by number: they may come later.
    var conditions: [(group: Int, position: Int)] = []

    /// Groups that are captured.
    var groupCount: Int { groups.count - 1 }

    init(_ pattern: String, flags: PythonPattern.Flags) throws(PatternError) {
        let scalars = Array(pattern.unicodeScalars)
        guard scalars.count <= Self.lengthLimit else {
            throw .unsupported("patterns of more than \(Self.lengthLimit) characters are", position: Self.lengthLimit)
        }
        var tokens: [Token] = []
        var position = 0
        while position < scalars.count {
            let isEscape = scalars[position] == "\\"
            guard !isEscape || position + 1 < scalars.count else {
                throw .invalid("bad escape (end of pattern)", position: position)
            }
            let scalar = isEscape ? scalars[position + 1] : scalars[position]
            tokens.append(Token(scalar: scalar, isEscape: isEscape, position: position))
            position += isEscape ? 2 : 1
        }
        self.tokens = tokens
        self.flags = flags
        length = scalars.count
    }

    mutating func parse() throws(PatternError) -> [PatternNode] {
        let nodes = try alternatives(flags.contains(.verbose), depth: 0)
        guard !flags.isSuperset(of: [.ascii, .unicode]) else {
            throw .invalid("ASCII and UNICODE flags are incompatible", position: 0)
        }
        if next != nil { throw .invalid("unbalanced parenthesis", position: position) }
        if let condition = conditions.first(where: { $0.group >= groups.count }) {
            throw .invalid("invalid group reference \(condition.group)", position: condition.position)
        }
        return nodes
    }

    /// `a|b|c`
    mutating func alternatives(_ isVerbose: Bool, depth: Int) throws(PatternError) -> [PatternNode] {
        var isVerbose = isVerbose
        var ways: [[PatternNode]] = []
        repeat {
            ways.append(try sequence(isVerbose, depth: depth, isFirst: depth == 0 && ways.isEmpty))
            if depth == 0 { isVerbose = flags.contains(.verbose) }
        } while accept("|")
        if ways.count == 1 { return ways[0] }
        let common = Self.commonUnits(ways)
        let rests = ways.map { Array($0.dropFirst(common.count)) }
        return common.map { .one($0) } + [Self.set(of: rests).map { .one($0) } ?? .branch(rests)]
    }

    /// What all alternatives begin with.
    private static func commonUnits(_ ways: [[PatternNode]]) -> [PatternUnit] {
        var common: [PatternUnit] = []
        while let unit = ways[0].dropFirst(common.count).first?.unit,
            ways.allSatisfy({ $0.dropFirst(common.count).first?.unit == unit })
        {
            common.append(unit)
        }
        return common
    }

    /// Alternatives of one code point each are a set, which is quicker and takes no memory when repeated.
    private static func set(of ways: [[PatternNode]]) -> PatternUnit? {
        var items: [PatternItem] = []
        for way in ways {
            guard way.count == 1, let unit = way[0].unit else { return nil }
            switch unit {
            case .literal(let value): items.append(.literal(value))
            case .set(let members, isNegated: false): items += members
            default: return nil
            }
        }
        return .set(items, isNegated: false)
    }

    mutating func sequence(
        _ isVerbose: Bool, depth: Int, isFirst: Bool = false
    ) throws(PatternError) -> [PatternNode] {
        var isVerbose = isVerbose
        var nodes: [PatternNode] = []
        while let token = next, !token.isPlain("|"), !token.isPlain(")") {
            index += 1
            if isVerbose, skip(token) { continue }
            guard !token.isEscape else {
                nodes.append(try escape(token))
                continue
            }
            switch token.scalar {
            case "[": nodes.append(.one(try set(token)))
            case ".": nodes.append(.one(.any))
            case "^": nodes.append(.place(.beginning))
            case "$": nodes.append(.place(.end))
            case "*", "+", "?", "{": try quantify(&nodes, token)
            case "(":
                let mayFlag = isFirst && nodes.isEmpty
                if let node = try group(token, &isVerbose, depth: depth, mayFlag: mayFlag) { nodes.append(node) }
            default: nodes.append(.one(.literal(token.scalar.value)))
            }
        }
        return nodes.flatMap { $0.plainGroup ?? [$0] }
    }

    /// White space and comments of a verbose pattern.
    private mutating func skip(_ token: Token) -> Bool {
        guard !token.isEscape else { return false }
        if token.scalar == "#" {
            while let token = take(), !token.isPlain("\n") {}
            return true
        }
        return [" ", "\t", "\n", "\r", "\u{B}", "\u{C}"].contains(token.scalar)
    }

    private mutating func quantify(_ nodes: inout [PatternNode], _ token: Token) throws(PatternError) {
        guard let range = try range(token) else {
            nodes.append(.one(.literal(token.scalar.value)))
            return
        }
        let item = nodes.popLast()
        switch item {
        case nil, .place: throw .invalid("nothing to repeat", position: token.position)
        case .repetition: throw .invalid("multiple repeat", position: token.position)
        case let item?:
            let mode: PatternCount.Mode = accept("?") ? .lazy : accept("+") ? .possessive : .greedy
            nodes.append(.repetition(PatternCount(range: range, mode: mode), item.plainGroup ?? [item]))
        }
    }

    /// How often a quantifier repeats; none where a brace is no quantifier but stands for itself.
    private mutating func range(_ token: Token) throws(PatternError) -> ClosedRange<Int>? {
        switch token.scalar {
        case "*": return 0 ... .max
        case "+": return 1 ... .max
        case "?": return 0...1
        default: break
        }
        guard next?.isPlain("}") != true else { return nil }
        let start = index
        let low = digits()
        let high = accept(",") ? digits() : low
        guard accept("}") else {
            index = start
            return nil
        }
        let minimum = try repetitions(low, or: 0, token)
        let maximum = try repetitions(high, or: .max, token)
        guard minimum <= maximum else {
            throw .invalid("min repeat greater than max repeat", position: token.position)
        }
        return minimum...maximum
    }

    private func repetitions(_ digits: String, or other: Int, _ token: Token) throws(PatternError) -> Int {
        guard !digits.isEmpty else { return other }
        guard let number = Int(digits), number < Self.repetitionLimit else {
            throw .invalid("the repetition number is too large", position: token.position)
        }
        return number
    }
}

extension PatternParser {
    var next: Token? { index < tokens.count ? tokens[index] : nil }

    /// Where the next token begins.
    var position: Int { next?.position ?? length }

    mutating func take() -> Token? {
        guard let token = next else { return nil }
        index += 1
        return token
    }

    mutating func accept(_ scalar: Unicode.Scalar) -> Bool {
        guard next?.isPlain(scalar) == true else { return false }
        index += 1
        return true
    }

    /// The ASCII digits that come next, at most so many.
    mutating func digits(_ radix: Int = 10, atMost limit: Int = .max) -> String {
        var digits = ""
        while digits.utf8.count < limit, let token = next, !token.isEscape, token.scalar.isASCII,
            let value = Character(token.scalar).hexDigitValue, value < radix
        {
            digits.unicodeScalars.append(token.scalar)
            index += 1
        }
        return digits
    }
}

extension PatternNode {
    fileprivate var unit: PatternUnit? {
        if case .one(let unit) = self { unit } else { nil }
    }

    /// What a group holds that changes nothing: Python leaves it out.
    fileprivate var plainGroup: [PatternNode]? {
        if case .group(nil, adding: [], removing: [], let nodes) = self { nodes } else { nil }
    }
}
