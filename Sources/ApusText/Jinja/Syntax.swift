/// The syntax tree of a template. Each node knows its line, which errors name.
struct Statement: Sendable {
    indirect enum Kind: Sendable {
        case text(String)
        case output(Expression)
        case conditional([Branch], otherwise: [Statement])
        case loop(Loop)
        case assignment(Target, Expression)
        /// `{% set name %}…{% endset %}`
        case capture(Target, [Statement], filters: [FilterCall])
        case macro(MacroDefinition)
        /// Statements that only stand together: `{% generation %}`.
        case group([Statement])
        case breakLoop
        case continueLoop
    }

    struct Branch: Sendable {
        var condition: Expression
        var body: [Statement]
    }

    struct Loop: Sendable {
        /// One name, or several to unpack each element into.
        var names: [String]
        var sequence: Expression
        var condition: Expression?
        var body: [Statement]
        /// What runs when there was no element.
        var otherwise: [Statement]
    }

    enum Target: Sendable {
        case names([String])
        /// `namespace.attribute`
        case attribute(String, String)
    }

    struct FilterCall: Sendable {
        var name: String
        var arguments: Arguments
    }

    var kind: Kind
    var line: Int
}

struct MacroDefinition: Sendable {
    struct Parameter: Sendable {
        var name: String
        var standard: Expression?
    }

    var name: String
    var parameters: [Parameter]
    var body: [Statement]
}

struct Expression: Sendable {
    indirect enum Kind: Sendable {
        case literal(JSONValue)
        case name(String)
        case list([Expression])
        case tuple([Expression])
        case dictionary([(key: Expression, value: Expression)])
        case attribute(Expression, String)
        case item(Expression, Expression)
        case slice(Expression, start: Expression?, stop: Expression?, step: Expression?)
        case call(Expression, Arguments)
        case filter(Expression, String, Arguments)
        case test(Expression, String, Arguments)
        case not(Expression)
        case negative(Expression)
        case binary(BinaryOperator, Expression, Expression)
        case and(Expression, Expression)
        case or(Expression, Expression)
        case comparison(Expression, [ComparisonStep])
        case conditional(condition: Expression, then: Expression, otherwise: Expression?)
    }

    var kind: Kind
    var line: Int
}

/// One step of `a < b <= c`.
struct ComparisonStep: Sendable {
    var sign: ComparisonOperator
    var operand: Expression
}

struct Arguments: Sendable {
    var positional: [Expression] = []
    var named: [(name: String, value: Expression)] = []
}

enum BinaryOperator: String, Sendable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case divideWhole = "//"
    case remainder = "%"
    case power = "**"
    case concatenate = "~"
}

enum ComparisonOperator: String, Sendable {
    case equal = "=="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    case contained = "in"
    case notContained = "not in"
}
