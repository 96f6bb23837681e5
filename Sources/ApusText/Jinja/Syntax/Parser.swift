/// Builds the syntax tree of a template.
struct Parser {
    /// Nesting of statements and of parentheses.
    private static let maximumDepth = 64

    private let tokens: [Token]
    private var position = 0
    private var depth = 0
    /// The names that expressions read so far.
    var names: Set<String> = []
    /// The names that the template itself sets, or asks whether they are there.
    var settledNames: Set<String> = []
    private var blocks: [String: [Statement]] = [:]
    private var marksGenerations = false
    /// Whether a loop is around that `break` and `continue` can mean.
    private var isInLoop = false
    /// Filters and tests that do not exist. Where they may never run, as within an `if`, they are forgotten again; but not
    /// those in a part of it with variables of its own.
    private var unknownNames: [(error: TextError, scope: Int)] = []
    /// How many parts with variables of their own are around.
    private var scopeDepth = 0

    static func parse(_ source: String) throws(TextError) -> TemplateSyntax {
        var parser = Parser(tokens: try Lexer.tokens(of: source))
        let statements = try parser.statements(until: [])
        guard parser.current.kind == .end else { throw parser.unexpected("the end of the template") }
        if let unknown = parser.unknownNames.first { throw unknown.error }
        return TemplateSyntax(
            statements: statements, blocks: parser.blocks, names: parser.names,
            wantedNames: parser.names.subtracting(parser.settledNames), marksGenerations: parser.marksGenerations)
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

    mutating func markUnknown(_ name: String) {
        unknownNames.append((failure("there is no \(name)"), scopeDepth))
    }

    /// Runs a part that may never run in the template; or that turns out to be one, when the result is true.
    mutating func forgettingUnknown<Result>(
        _ parse: (inout Parser) throws(TextError) -> (Result, mayNotRun: Bool)
    ) throws(TextError) -> Result {
        let count = unknownNames.count
        let (result, mayNotRun) = try parse(&self)
        if mayNotRun {
            let kept = unknownNames[count...].filter { $0.scope != scopeDepth }
            unknownNames.replaceSubrange(count..., with: kept)
        }
        return result
    }
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
                result.append(Statement(kind: .output([try tuple()]), line: line))
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

    /// The body of a block up to the end block of this name, and both closings.
    private mutating func body(until end: String) throws(TextError) -> [Statement] {
        try expect(.blockEnd)
        let body = try scopedStatements(until: [end])
        try expect(.blockBegin)
        try expect(.name(end))
        try expect(.blockEnd)
        return body
    }

    /// Statements with variables of their own.
    private mutating func scopedStatements(until ends: Set<String>) throws(TextError) -> [Statement] {
        scopeDepth += 1
        defer { scopeDepth -= 1 }
        return try statements(until: ends)
    }

    /// The body of a part whose loops are its own.
    private mutating func separateBody(until end: String) throws(TextError) -> [Statement] {
        let outer = isInLoop
        isInLoop = false
        defer { isInLoop = outer }
        return try body(until: end)
    }

    private mutating func block() throws(TextError) -> Statement.Kind {
        let tag = current
        switch try expectName() {
        case "if": return try forgettingUnknown { parser throws(TextError) in (try parser.conditional(), true) }
        case "for": return try loop()
        case "set": return try assignment()
        case "macro": return try macro()
        case "call": return try callBlock()
        case "filter": return try filterBlock()
        case "with": return try with()
        case "block": return try namedBlock()
        case "print": return try print()
        case "autoescape": return try autoescape()
        case "generation":
            marksGenerations = true
            return .generation(try separateBody(until: "endgeneration"))
        case "break": return try loopControl(.breakLoop)
        case "continue": return try loopControl(.continueLoop)
        case let name where ["include", "import", "from", "extends"].contains(name):
            throw TextError(
                code: .templateUnsupported,
                message: "'\(name)' reads another template, and a chat template stands alone: put its text here",
                line: tag.line)
        case let name:
            throw TextError(
                code: .templateSyntax,
                message:
                    "there is no tag '\(name)'; known are if, for, set, macro, call, filter, with, block, raw, print, "
                    + "autoescape, generation, break, continue",
                line: tag.line
            )
        }
    }

    private mutating func closing(_ kind: Statement.Kind) throws(TextError) -> Statement.Kind {
        try expect(.blockEnd)
        return kind
    }

    private mutating func loopControl(_ kind: Statement.Kind) throws(TextError) -> Statement.Kind {
        guard isInLoop else { throw failure("'break' and 'continue' stand inside of a loop only") }
        return try closing(kind)
    }

    private mutating func conditional() throws(TextError) -> Statement.Kind {
        var branches: [Statement.Branch] = []
        repeat {
            let condition = try tuple(allowsCondition: false)
            try expect(.blockEnd)
            branches.append(.init(condition: condition, body: try statements(until: ["elif", "else", "endif"])))
            try expect(.blockBegin)
        } while skip(name: "elif")
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
        let target = try targets(allowsAttributes: false)
        guard !target.names.contains("loop") else { throw failure("a loop cannot set 'loop', which is its own") }
        try expect(.name("in"))
        let sequence = try tuple(allowsCondition: false, until: "recursive")
        scopeDepth += 1
        let condition = skip(name: "if") ? try expression() : nil
        scopeDepth -= 1
        let isRecursive = skip(name: "recursive")
        try expect(.blockEnd)
        let outer = isInLoop
        isInLoop = true
        let body = try scopedStatements(until: ["else", "endfor"])
        isInLoop = outer
        try expect(.blockBegin)
        var otherwise: [Statement] = []
        if skip(name: "else") {
            try expect(.blockEnd)
            otherwise = try scopedStatements(until: ["endfor"])
            try expect(.blockBegin)
        }
        try expect(.name("endfor"))
        let loop = Statement.Loop(
            target: target, sequence: sequence, condition: condition, isRecursive: isRecursive, body: body,
            otherwise: otherwise)
        return try closing(.loop(loop))
    }

    private mutating func assignment() throws(TextError) -> Statement.Kind {
        let target = try targets(allowsAttributes: true)
        if skip("=") { return try closing(.assignment(target, try tuple())) }
        let filters = skip("|") ? try filterCalls() : []
        return .capture(target, try body(until: "endset"), filters: filters)
    }

    private mutating func with() throws(TextError) -> Statement.Kind {
        var assignments: [(target: Statement.Target, value: Expression)] = []
        while current.kind != .blockEnd {
            if !assignments.isEmpty { try expect(",") }
            let target = try targets(allowsAttributes: false)
            try expect("=")
            assignments.append((target, try expression()))
        }
        return .with(assignments, try body(until: "endwith"))
    }

    private mutating func print() throws(TextError) -> Statement.Kind {
        var values: [Expression] = []
        while current.kind != .blockEnd {
            if !values.isEmpty { try expect(",") }
            values.append(try expression())
        }
        return try closing(.output(values))
    }

    private mutating func namedBlock() throws(TextError) -> Statement.Kind {
        let name = try expectName()
        guard blocks[name] == nil else { throw failure("there are two blocks of the name '\(name)'") }
        _ = skip(name: "scoped")
        if current.kind == .name("required") { throw failure("a template that stands alone has no 'required' blocks") }
        // A block within this one of the same name is refused like one behind it.
        blocks[name] = []
        try expect(.blockEnd)
        let outer = isInLoop
        isInLoop = false
        let body = try scopedStatements(until: ["endblock"])
        isInLoop = outer
        try expect(.blockBegin)
        try expect(.name("endblock"))
        _ = skip(name: name)
        blocks[name] = body
        return try closing(.block(name: name))
    }

    /// Nothing is escaped unless it is asked for: transformers' setting, which a template can repeat but not change.
    private mutating func autoescape() throws(TextError) -> Statement.Kind {
        guard case .literal(.bool(false)) = try expression().kind else {
            throw TextError(
                code: .templateUnsupported, message: "'autoescape' is supported as false only; use the filter 'e'",
                line: current.line)
        }
        return .with([], try body(until: "endautoescape"))
    }
}

// MARK: - Macros, calls and filters

extension Parser {
    private mutating func macro() throws(TextError) -> Statement.Kind {
        let name = try expectName()
        settledNames.insert(name)
        return .macro(try definition(name: name, parameters: try parameters(), until: "endmacro"))
    }

    private mutating func callBlock() throws(TextError) -> Statement.Kind {
        let parameters = current.kind == .mark("(") ? try parameters() : []
        let callee = try expression()
        guard case .call = callee.kind else { throw failure("'call' wants the call of a macro") }
        return .call(callee, caller: try definition(name: "caller", parameters: parameters, until: "endcall"))
    }

    private mutating func definition(
        name: String, parameters: [MacroDefinition.Parameter], until end: String
    ) throws(TextError) -> MacroDefinition {
        let outer = names
        names = []
        let body = try separateBody(until: end)
        defer { names.formUnion(outer) }
        guard !names.contains("caller") || !parameters.contains(where: { $0.name == "caller" && $0.standard == nil })
        else { throw failure("the parameter 'caller' is given by 'call': leave it out, or give it a default") }
        return MacroDefinition(name: name, parameters: parameters, body: body, names: names)
    }

    private mutating func parameters() throws(TextError) -> [MacroDefinition.Parameter] {
        try expect("(")
        var parameters: [MacroDefinition.Parameter] = []
        while current.kind != .mark(")") {
            if !parameters.isEmpty { try expect(",") }
            let name = try expectTargetName()
            let standard = skip("=") ? try expression() : nil
            guard standard != nil || parameters.last?.standard == nil else {
                throw failure("the parameter '\(name)' has no default and stands behind one that has")
            }
            parameters.append(.init(name: name, standard: standard))
        }
        try expect(")")
        return parameters
    }

    private mutating func filterBlock() throws(TextError) -> Statement.Kind {
        let filters = try filterCalls()
        return .filtered(filters, try body(until: "endfilter"))
    }

    /// `name(…)|name(…)`
    private mutating func filterCalls() throws(TextError) -> [Statement.FilterCall] {
        var filters: [Statement.FilterCall] = []
        repeat {
            let name = try filterName()
            filters.append(.init(name: name, arguments: try optionalArguments()))
        } while skip("|")
        return filters
    }
}

// MARK: - Targets

extension Parser {
    /// One target, or several with commas between.
    private mutating func targets(allowsAttributes: Bool) throws(TextError) -> Statement.Target {
        let first = try target(allowsAttributes: allowsAttributes)
        guard current.kind == .mark(",") else { return first }
        var all = [first]
        while skip(",") {
            switch current.kind {
            case .mark(")"), .mark("="), .blockEnd: return .tuple(all)
            default: all.append(try target(allowsAttributes: allowsAttributes))
            }
        }
        return .tuple(all)
    }

    private mutating func target(allowsAttributes: Bool) throws(TextError) -> Statement.Target {
        if skip("(") {
            try enter()
            defer { leave() }
            let result = try targets(allowsAttributes: allowsAttributes)
            try expect(")")
            return result
        }
        let name = try expectTargetName()
        guard allowsAttributes, skip(".") else { return .name(name) }
        return .attribute(name, try expectName())
    }

    private mutating func expectTargetName() throws(TextError) -> String {
        let name = try expectName()
        guard !["true", "false", "none", "True", "False", "None"].contains(name) else {
            throw failure("'\(name)' cannot be set")
        }
        settledNames.insert(name)
        return name
    }
}
