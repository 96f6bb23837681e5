/// Builds the syntax tree of a template.
struct Parser {
    /// Nesting of statements and of parentheses.
    private static let maximumDepth = 64

    private let tokens: [Token]
    private var position = 0
    private var depth = 0
    /// The names that expressions read so far.
    var names: Set<String> = []

    static func parse(_ source: String) throws(TextError) -> (statements: [Statement], names: Set<String>) {
        var parser = Parser(tokens: try Lexer.tokens(of: source))
        let statements = try parser.statements(until: [])
        guard parser.current.kind == .end else { throw parser.unexpected("the end of the template") }
        return (statements, parser.names)
    }

    private init(tokens: [Token]) { self.tokens = tokens }

    /// The token at hand; the last one is always `.end` and is never passed.
    var current: Token { tokens[position] }

    var following: Token { tokens[min(position + 1, tokens.count - 1)] }

    mutating func advance() { position = min(position + 1, tokens.count - 1) }

    mutating func skip(_ mark: String) -> Bool {
        guard current.kind == .mark(mark) else { return false }
        advance()
        return true
    }

    mutating func skip(name: String) -> Bool {
        guard current.kind == .name(name) else { return false }
        advance()
        return true
    }

    mutating func expect(_ kind: Token.Kind) throws(TextError) {
        guard current.kind == kind else { throw unexpected(Token(kind: kind, line: 0).spelling) }
        advance()
    }

    mutating func expect(_ mark: String) throws(TextError) { try expect(.mark(mark)) }

    mutating func expectName() throws(TextError) -> String {
        guard case .name(let name) = current.kind else { throw unexpected("a name") }
        advance()
        return name
    }

    func unexpected(_ wanted: String) -> TextError {
        failure("wanted \(wanted), found \(current.spelling)")
    }

    func failure(_ message: String) -> TextError {
        TextError(code: .templateSyntax, message: message, line: current.line)
    }

    mutating func enter() throws(TextError) {
        depth += 1
        guard depth <= Self.maximumDepth else {
            throw TextError(
                code: .templateLimit, message: "nested deeper than \(Self.maximumDepth) levels", line: current.line)
        }
    }

    mutating func leave() { depth -= 1 }
}

// MARK: - Statements

extension Parser {
    /// Statements up to a block whose name is one of `ends`; the block's opening and name stay unread.
    mutating func statements(until ends: Set<String>) throws(TextError) -> [Statement] {
        try enter()
        defer { leave() }
        var result: [Statement] = []
        while true {
            let line = current.line
            switch current.kind {
            case .text(let text):
                advance()
                result.append(Statement(kind: .text(text), line: line))
            case .variableBegin:
                advance()
                result.append(Statement(kind: .output(try tuple()), line: line))
                try expect(.variableEnd)
            case .blockBegin:
                if case .name(let name) = following.kind, ends.contains(name) { return result }
                advance()
                result.append(Statement(kind: try block(), line: line))
            default:
                guard ends.isEmpty else { throw unexpected(ends.sorted().map { "'\($0)'" }.joined(separator: " or ")) }
                return result
            }
        }
    }

    /// The opening of an end block, and its name.
    private mutating func expectEnd(_ name: String) throws(TextError) {
        try expect(.blockBegin)
        try expect(.name(name))
    }

    private mutating func block() throws(TextError) -> Statement.Kind {
        let tag = current
        switch try expectName() {
        case "if": return try conditional()
        case "for": return try loop()
        case "set": return try assignment()
        case "macro": return try macro()
        case "break": return try closing(.breakLoop)
        case "continue": return try closing(.continueLoop)
        case "generation":
            try expect(.blockEnd)
            let body = try statements(until: ["endgeneration"])
            try expectEnd("endgeneration")
            return try closing(.group(body))
        case let name:
            throw TextError(
                code: .templateSyntax,
                message:
                    "the tag '\(name)' is not supported; known are if, for, set, macro, break, continue, generation",
                line: tag.line
            )
        }
    }

    private mutating func closing(_ kind: Statement.Kind) throws(TextError) -> Statement.Kind {
        try expect(.blockEnd)
        return kind
    }

    private mutating func conditional() throws(TextError) -> Statement.Kind {
        var branches: [Statement.Branch] = []
        while true {
            let condition = try tuple()
            try expect(.blockEnd)
            branches.append(.init(condition: condition, body: try statements(until: ["elif", "else", "endif"])))
            try expect(.blockBegin)
            guard skip(name: "elif") else { break }
        }
        var otherwise: [Statement] = []
        if skip(name: "else") {
            try expect(.blockEnd)
            otherwise = try statements(until: ["endif"])
            try expect(.blockBegin)
        }
        try expect(.name("endif"))
        return try closing(.conditional(branches, otherwise: otherwise))
    }

    private mutating func loop() throws(TextError) -> Statement.Kind {
        let names = try targetNames()
        try expect(.name("in"))
        let sequence = try tuple(allowsCondition: false)
        let condition = skip(name: "if") ? try expression() : nil
        if current.kind == .name("recursive") { throw failure("recursive loops are not supported") }
        try expect(.blockEnd)
        let body = try statements(until: ["else", "endfor"])
        try expect(.blockBegin)
        var otherwise: [Statement] = []
        if skip(name: "else") {
            try expect(.blockEnd)
            otherwise = try statements(until: ["endfor"])
            try expect(.blockBegin)
        }
        try expect(.name("endfor"))
        return try closing(
            .loop(.init(names: names, sequence: sequence, condition: condition, body: body, otherwise: otherwise)))
    }

    /// `a` or `a, b` or `(a, b)`.
    private mutating func targetNames() throws(TextError) -> [String] {
        let isParenthesised = skip("(")
        var names = [try expectName()]
        while skip(",") { names.append(try expectName()) }
        if isParenthesised { try expect(")") }
        return names
    }

    private mutating func assignment() throws(TextError) -> Statement.Kind {
        var target = Statement.Target.names(try targetNames())
        if case .names(let names) = target, names.count == 1, skip(".") {
            target = .attribute(names[0], try expectName())
        }
        if skip("=") { return try closing(.assignment(target, try tuple())) }
        var filters: [Statement.FilterCall] = []
        while skip("|") {
            let name = try expectName()
            filters.append(.init(name: name, arguments: try optionalArguments()))
        }
        try expect(.blockEnd)
        let body = try statements(until: ["endset"])
        try expectEnd("endset")
        return try closing(.capture(target, body, filters: filters))
    }

    private mutating func macro() throws(TextError) -> Statement.Kind {
        let name = try expectName()
        try expect("(")
        var parameters: [MacroDefinition.Parameter] = []
        while current.kind != .mark(")") {
            let parameter = try expectName()
            let standard = skip("=") ? try expression() : nil
            parameters.append(.init(name: parameter, standard: standard))
            if !skip(",") { break }
        }
        try expect(")")
        try expect(.blockEnd)
        let body = try statements(until: ["endmacro"])
        try expectEnd("endmacro")
        return try closing(.macro(.init(name: name, parameters: parameters, body: body)))
    }
}
