extension Parser {
    /// One expression, or several with commas between: a tuple. A comma may be the last before `end`, a name.
    mutating func tuple(allowsCondition: Bool = true, until end: String? = nil) throws(TextError) -> Expression {
        let line = current.line
        let first = try allowsCondition ? expression() : disjunction()
        guard current.kind == .mark(",") else { return first }
        var elements = [first]
        while skip(",") {
            switch current.kind {
            case .mark(")"), .variableEnd, .blockEnd: return Expression(kind: .tuple(elements), line: line)
            case .name(let name) where name == end: return Expression(kind: .tuple(elements), line: line)
            default: elements.append(try allowsCondition ? expression() : disjunction())
            }
        }
        return Expression(kind: .tuple(elements), line: line)
    }

    /// `a if b else c`
    mutating func expression() throws(TextError) -> Expression {
        try enter()
        defer { leave() }
        return try forgettingUnknown { parser throws(TextError) in
            let line = parser.current.line
            var result = try parser.disjunction()
            let isConditional = parser.current.kind == .name("if")
            while parser.skip(name: "if") {
                let condition = try parser.disjunction()
                let otherwise = parser.skip(name: "else") ? try parser.expression() : nil
                result = Expression(
                    kind: .conditional(condition: condition, then: result, otherwise: otherwise), line: line)
            }
            return (result, mayNotRun: isConditional)
        }
    }

    private mutating func disjunction() throws(TextError) -> Expression {
        let line = current.line
        var left = try conjunction()
        while skip(name: "or") { left = Expression(kind: .or(left, try conjunction()), line: line) }
        return left
    }

    private mutating func conjunction() throws(TextError) -> Expression {
        let line = current.line
        var left = try negation()
        while skip(name: "and") { left = Expression(kind: .and(left, try negation()), line: line) }
        return left
    }

    private mutating func negation() throws(TextError) -> Expression {
        let line = current.line
        guard skip(name: "not") else { return try comparison() }
        try enter()
        defer { leave() }
        return Expression(kind: .not(try negation()), line: line)
    }

    private mutating func comparison() throws(TextError) -> Expression {
        let line = current.line
        let first = try sum()
        var rest: [ComparisonStep] = []
        while let next = comparisonOperator() { rest.append(.init(sign: next, operand: try sum())) }
        return rest.isEmpty ? first : Expression(kind: .comparison(first, rest), line: line)
    }

    private mutating func comparisonOperator() -> ComparisonOperator? {
        switch current.kind {
        case .mark(let mark):
            guard let found = ComparisonOperator(rawValue: mark) else { return nil }
            advance()
            return found
        case .name("in"):
            advance()
            return .contained
        case .name("not") where following.kind == .name("in"):
            advance()
            advance()
            return .notContained
        default: return nil
        }
    }

    private mutating func binaryOperator(_ candidates: BinaryOperator...) -> BinaryOperator? {
        guard case .mark(let mark) = current.kind, let found = candidates.first(where: { $0.rawValue == mark }) else {
            return nil
        }
        advance()
        return found
    }

    private mutating func sum() throws(TextError) -> Expression {
        let line = current.line
        var left = try concatenation()
        while let next = binaryOperator(.add, .subtract) {
            left = Expression(kind: .binary(next, left, try concatenation()), line: line)
        }
        return left
    }

    private mutating func concatenation() throws(TextError) -> Expression {
        let line = current.line
        var left = try product()
        while let next = binaryOperator(.concatenate) {
            left = Expression(kind: .binary(next, left, try product()), line: line)
        }
        return left
    }

    private mutating func product() throws(TextError) -> Expression {
        let line = current.line
        var left = try power()
        while let next = binaryOperator(.multiply, .divide, .divideWhole, .remainder) {
            left = Expression(kind: .binary(next, left, try power()), line: line)
        }
        return left
    }

    private mutating func power() throws(TextError) -> Expression {
        let line = current.line
        var left = try unary()
        while let next = binaryOperator(.power) {
            left = Expression(kind: .binary(next, left, try unary()), line: line)
        }
        return left
    }

    /// Filters bind closer than operators, but not to what stands behind a sign: `-x | abs` negates first.
    private mutating func unary(takesFilters: Bool = true) throws(TextError) -> Expression {
        try enter()
        defer { leave() }
        let line = current.line
        var result: Expression
        if skip("-") {
            result = Expression(kind: .negative(try unary(takesFilters: false)), line: line)
        } else if skip("+") {
            result = Expression(kind: .positive(try unary(takesFilters: false)), line: line)
        } else {
            result = try postfix(try primary())
        }
        if takesFilters { result = try filters(result) }
        return result
    }
}

// MARK: - Operands

extension Parser {
    private mutating func primary() throws(TextError) -> Expression {
        let line = current.line
        let token = current
        advance()
        switch token.kind {
        case .name("true"), .name("True"): return Expression(kind: .literal(.bool(true)), line: line)
        case .name("false"), .name("False"): return Expression(kind: .literal(.bool(false)), line: line)
        case .name("none"), .name("None"): return Expression(kind: .literal(.null), line: line)
        case .name(let name):
            names.insert(name)
            return Expression(kind: .name(name), line: line)
        case .integer(let value): return Expression(kind: .literal(.integer(value)), line: line)
        case .bigInteger(let value): return Expression(kind: .literal(.bigInteger(value)), line: line)
        case .number(let value): return Expression(kind: .literal(.number(value)), line: line)
        case .string(var text):
            while case .string(let more) = current.kind {
                text += more
                advance()
            }
            return Expression(kind: .literal(.string(text)), line: line)
        case .mark("("):
            if skip(")") { return Expression(kind: .tuple([]), line: line) }
            let result = try tuple()
            try expect(")")
            return result
        case .mark("["): return Expression(kind: .list(try elements(until: "]")), line: line)
        case .mark("{"): return try dictionary(line: line)
        default:
            throw TextError(
                code: .templateSyntax, message: "wanted an expression, found \(token.spelling)", line: line)
        }
    }

    private mutating func elements(until end: String) throws(TextError) -> [Expression] {
        var result: [Expression] = []
        while current.kind != .mark(end) {
            result.append(try expression())
            if !skip(",") { break }
        }
        try expect(end)
        return result
    }

    private mutating func dictionary(line: Int) throws(TextError) -> Expression {
        var members: [(key: Expression, value: Expression)] = []
        while current.kind != .mark("}") {
            let key = try expression()
            try expect(":")
            members.append((key, try expression()))
            if !skip(",") { break }
        }
        try expect("}")
        return Expression(kind: .dictionary(members), line: line)
    }

    private mutating func postfix(_ operand: Expression) throws(TextError) -> Expression {
        var result = operand
        while true {
            let line = current.line
            if skip(".") {
                if case .integer(let index) = current.kind {
                    advance()
                    let literal = Expression(kind: .literal(.integer(index)), line: line)
                    result = Expression(kind: .item(result, literal), line: line)
                } else {
                    result = Expression(kind: .attribute(result, try expectName()), line: line)
                }
            } else if skip("[") {
                result = try subscripted(result, line: line)
            } else if current.kind == .mark("(") {
                result = Expression(kind: .call(result, try arguments()), line: line)
            } else {
                return result
            }
        }
    }

    private mutating func subscripted(_ operand: Expression, line: Int) throws(TextError) -> Expression {
        if current.kind == .mark(":") { return try slice(operand, start: nil, line: line) }
        if skip("]") { return Expression(kind: .item(operand, Expression(kind: .tuple([]), line: line)), line: line) }
        let first = try expression()
        if current.kind == .mark(":") { return try slice(operand, start: first, line: line) }
        var indices = [first]
        while skip(","), current.kind != .mark("]") { indices.append(try expression()) }
        let index = indices.count == 1 ? first : Expression(kind: .tuple(indices), line: line)
        try expect("]")
        return Expression(kind: .item(operand, index), line: line)
    }

    private mutating func slice(
        _ operand: Expression, start: Expression?, line: Int
    ) throws(TextError) -> Expression {
        try expect(":")
        func isBound(_ kind: Token.Kind) -> Bool { kind != .mark(":") && kind != .mark("]") }
        let stop = isBound(current.kind) ? try expression() : nil
        var step: Expression?
        if skip(":"), isBound(current.kind) { step = try expression() }
        try expect("]")
        return Expression(kind: .slice(operand, start: start, stop: stop, step: step), line: line)
    }

    private mutating func arguments() throws(TextError) -> Arguments {
        try expect("(")
        var result = Arguments()
        var isFirst = true
        while current.kind != .mark(")") {
            if !isFirst {
                try expect(",")
                if current.kind == .mark(")") { break }
            }
            isFirst = false
            try appendArgument(to: &result)
        }
        try expect(")")
        return result
    }

    private mutating func appendArgument(to arguments: inout Arguments) throws(TextError) {
        guard arguments.namedMapping == nil else { throw failure("nothing follows '**' in a call") }
        if skip("**") {
            arguments.namedMapping = try expression()
        } else if skip("*") {
            guard arguments.positionalList == nil else { throw failure("a call has at most one '*'") }
            arguments.positionalList = try expression()
        } else if case .name(let name) = current.kind, following.kind == .mark("=") {
            advance()
            advance()
            guard !arguments.named.contains(where: { $0.name == name }) else {
                throw failure("the argument '\(name)' is given twice")
            }
            arguments.named.append((name, try expression()))
        } else {
            guard arguments.named.isEmpty, arguments.positionalList == nil else {
                throw failure("an argument without a name follows one with a name")
            }
            arguments.positional.append(try expression())
        }
    }

    mutating func optionalArguments() throws(TextError) -> Arguments {
        current.kind == .mark("(") ? try arguments() : Arguments()
    }

    /// `x | filter(…)` and `x is test`, in any number, and calls of what they give.
    private mutating func filters(_ operand: Expression) throws(TextError) -> Expression {
        var result = operand
        while true {
            let line = current.line
            if skip("|") {
                let name = try filterName()
                if case .name(let asked) = result.kind, ["default", "d"].contains(name) { settledNames.insert(asked) }
                result = Expression(kind: .filter(result, name, try optionalArguments()), line: line)
            } else if skip(name: "is") {
                let isNegated = skip(name: "not")
                let name = try testName()
                if case .name(let asked) = result.kind, ["defined", "undefined"].contains(name) {
                    settledNames.insert(asked)
                }
                result = Expression(kind: .test(result, name, try testArguments()), line: line)
                if isNegated { result = Expression(kind: .not(result), line: line) }
            } else if current.kind == .mark("(") {
                result = Expression(kind: .call(result, try arguments()), line: line)
            } else {
                return result
            }
        }
    }

    mutating func filterName() throws(TextError) -> String {
        let name = try dottedName()
        if Interpreter.filters[name] == nil { markUnknown("filter '\(name)'") }
        return name
    }

    private mutating func testName() throws(TextError) -> String {
        let name = try dottedName()
        if Interpreter.tests[name] == nil { markUnknown("test '\(name)'") }
        return name
    }

    private mutating func dottedName() throws(TextError) -> String {
        var name = try expectName()
        while skip(".") { name += "." + (try expectName()) }
        return name
    }

    /// A test takes one argument without parentheses: `x is divisibleby 3`.
    private mutating func testArguments() throws(TextError) -> Arguments {
        switch current.kind {
        case .mark("("): return try arguments()
        case .name("else"), .name("or"), .name("and"): return Arguments()
        case .name("is"): throw failure("a test cannot follow another; put the first in parentheses")
        case .name, .string, .integer, .bigInteger, .number, .mark("["), .mark("{"):
            return Arguments(positional: [try postfix(try primary())])
        default: return Arguments()
        }
    }
}
