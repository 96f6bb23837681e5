/// Reads an expression at which text is cut, in Oniguruma's syntax.
struct SplitExpressionParser {
    private static let lengthLimit = 100_000
    private static let depthLimit = 50
    private static let repetitionLimit = 100_000

    private let scalars: [Unicode.Scalar]
    var index = 0
    var ignoresCase = false

    init(_ source: String) throws(PatternError) {
        scalars = Array(source.unicodeScalars)
        guard scalars.count <= Self.lengthLimit else {
            throw .unsupported("expressions of more than \(Self.lengthLimit) characters are", position: 0)
        }
    }

    mutating func parse() throws(PatternError) -> [[SplitNode]] {
        let ways = try alternatives(depth: 0)
        guard index == scalars.count else { throw .invalid("unmatched close parenthesis", position: index) }
        return ways
    }

    private mutating func alternatives(depth: Int) throws(PatternError) -> [[SplitNode]] {
        guard depth <= Self.depthLimit else {
            throw .unsupported("groups within more than \(Self.depthLimit) groups are", position: index)
        }
        let outerCase = ignoresCase
        defer { ignoresCase = outerCase }
        var ways: [[SplitNode]] = []
        repeat { ways.append(try sequence(depth: depth)) } while accept("|")
        return ways
    }

    private mutating func sequence(depth: Int) throws(PatternError) -> [SplitNode] {
        var nodes: [SplitNode] = []
        while let scalar = next, scalar != "|", scalar != ")" {
            index += 1
            switch scalar {
            case "(": if let node = try group(depth: depth) { nodes.append(node) }
            case "[": try append(try set(depth: 0), to: &nodes)
            case ".": try append(.complement(.scalar(10)), to: &nodes)
            case "^": nodes.append(.place(.lineStart))
            case "$": nodes.append(.place(.lineEnd))
            case "*", "+", "?": throw .invalid("target of repeat operator is not specified", position: index - 1)
            case "\\": try escape(&nodes)
            default: try append(literal(scalar), to: &nodes)
            }
        }
        return nodes
    }

    /// A character of a set, repeated as what follows says.
    private mutating func append(_ set: ScalarSet, to nodes: inout [SplitNode]) throws(PatternError) {
        nodes.append(.characters(set, try repetition()))
    }

    private mutating func escape(_ nodes: inout [SplitNode]) throws(PatternError) {
        switch next {
        case "A": nodes.append(.place(.textStart))
        case "z": nodes.append(.place(.textEnd))
        default:
            try append(try escapedSet(), to: &nodes)
            return
        }
        index += 1
    }

    // MARK: Groups

    private mutating func group(depth: Int) throws(PatternError) -> SplitNode? {
        let start = index - 1
        guard accept("?") else { return try closed(start, depth) }
        switch take() {
        case ":": return try closed(start, depth)
        case "=": return .look(isNegative: false, try contents(start, depth))
        case "!": return .look(isNegative: true, try contents(start, depth))
        case "i":
            if accept(")") {
                ignoresCase = true
                return nil
            }
            guard accept(":") else { break }
            let outer = ignoresCase
            ignoresCase = true
            defer { ignoresCase = outer }
            return try closed(start, depth)
        default: break
        }
        throw .unsupported("groups such as '\(shown(start))' are", position: start)
    }

    private mutating func closed(_ start: Int, _ depth: Int) throws(PatternError) -> SplitNode {
        let ways = try contents(start, depth)
        return .group(ways, try repetition())
    }

    private mutating func contents(_ start: Int, _ depth: Int) throws(PatternError) -> [[SplitNode]] {
        let ways = try alternatives(depth: depth + 1)
        guard accept(")") else { throw .invalid("end pattern with unmatched parenthesis", position: start) }
        return ways
    }

    private func shown(_ start: Int) -> String {
        String(String.UnicodeScalarView(scalars[start..<min(start + 4, scalars.count)]))
    }

    // MARK: Repetitions

    private mutating func repetition() throws(PatternError) -> PatternCount {
        let start = index
        let range: ClosedRange<Int>
        var isInterval = false
        switch next {
        case "*": range = 0 ... .max
        case "+": range = 1 ... .max
        case "?": range = 0...1
        case "{":
            guard let interval = try interval() else { return PatternCount(range: 1...1, mode: .greedy) }
            range = interval
            isInterval = true
        default: return PatternCount(range: 1...1, mode: .greedy)
        }
        if !isInterval { index += 1 }
        var count = PatternCount(range: range, mode: .greedy)
        if accept("?") {
            count.mode = .lazy
        } else if !isInterval, accept("+") {
            count.mode = .possessive
        }
        if ["*", "+", "?", "{"].contains(next) {
            throw .unsupported("a repetition of a repetition is", position: start)
        }
        return count
    }

    /// `{2}`, `{2,}`, `{,3}` or `{2,3}`; nil where a brace stands for itself.
    private mutating func interval() throws(PatternError) -> ClosedRange<Int>? {
        let start = index
        index += 1
        let low = digits()
        let hasComma = accept(",")
        let high = hasComma ? digits() : low
        guard accept("}"), !low.isEmpty || !high.isEmpty else {
            index = start
            throw .unsupported("a brace that stands for itself without a backslash is", position: start)
        }
        let minimum = low.isEmpty ? 0 : Int(low) ?? .max
        let maximum = high.isEmpty ? .max : Int(high) ?? .max
        guard minimum <= maximum, minimum <= Self.repetitionLimit else {
            throw .invalid("too big or empty number range", position: start)
        }
        return minimum...maximum
    }

    private mutating func digits() -> String {
        var digits = ""
        while let scalar = next, ("0"..."9").contains(scalar), digits.count < 10 {
            digits.unicodeScalars.append(scalar)
            index += 1
        }
        return digits
    }
}

extension SplitExpressionParser {
    var next: Unicode.Scalar? { index < scalars.count ? scalars[index] : nil }

    mutating func take() -> Unicode.Scalar? {
        defer { index = min(index + 1, scalars.count) }
        return next
    }

    mutating func accept(_ scalar: Unicode.Scalar) -> Bool {
        guard next == scalar else { return false }
        index += 1
        return true
    }

    /// Whether these come next; nothing is taken.
    func isNext(_ text: String) -> Bool { scalars[index...].starts(with: text.unicodeScalars) }
}
