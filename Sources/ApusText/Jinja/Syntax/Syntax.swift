/// The syntax tree of a template. Each node knows its line, which errors name.
struct Statement: Sendable {
    indirect enum Kind: Sendable {
        case text(String)
        case output([Expression])
        case conditional([Branch], otherwise: [Statement])
        case loop(Loop)
        case assignment(Target, Expression)
        /// `{% set name %}…{% endset %}`
        case capture(Target, [Statement], filters: [FilterCall])
        case macro(MacroDefinition)
        /// `{% call(x) macro(…) %}…{% endcall %}`: the body is the macro's `caller`.
        case call(Expression, caller: MacroDefinition)
        /// `{% filter name %}…{% endfilter %}`
        case filtered([FilterCall], [Statement])
        /// `{% with a = 1 %}…{% endwith %}`, and every part with variables of its own.
        case with([(target: Target, value: Expression)], [Statement])
        case block(name: String)
        /// `{% generation %}`: what the assistant says, which training is to learn.
        case generation([Statement])
        case breakLoop
        case continueLoop
    }

    struct Branch: Sendable {
        var condition: Expression
        var body: [Statement]
    }

    struct Loop: Sendable {
        var target: Target
        var sequence: Expression
        var condition: Expression?
        var isRecursive: Bool
        var body: [Statement]
        /// What runs when there was no element.
        var otherwise: [Statement]
    }

    /// What a value is assigned to.
    indirect enum Target: Sendable {
        case name(String)
        /// `namespace.attribute`
        case attribute(String, String)
        /// Targets within targets, which unpack a value.
        case tuple([Target])

        /// The variables that are set.
        var names: [String] {
            switch self {
            case .name(let name): [name]
            case .attribute: []
            case .tuple(let targets): targets.flatMap(\.names)
            }
        }
    }

    struct FilterCall: Sendable {
        var name: String
        var arguments: Arguments
    }

    var kind: Kind
    var line: Int
}

/// A parsed template.
struct TemplateSyntax: Sendable {
    var statements: [Statement]
    /// What stands between `{% block name %}` and `{% endblock %}`, by name.
    var blocks: [String: [Statement]]
    /// The names that expressions read.
    var names: Set<String>
    /// Those of them that somebody else has to give: not set by the template, nor asked about by `defined` or `default`.
    var wantedNames: Set<String>
    /// Whether it marks what the assistant says: `{% generation %}`.
    var marksGenerations: Bool
}

struct MacroDefinition: Sendable {
    struct Parameter: Sendable {
        var name: String
        var standard: Expression?
    }

    var name: String
    var parameters: [Parameter]
    var body: [Statement]
    /// The names that the body reads: `varargs`, `kwargs` and `caller` exist where they are read.
    var names: Set<String>
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
        case positive(Expression)
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
    /// `*list`, behind the positional ones.
    var positionalList: Expression?
    /// `**mapping`, behind the named ones.
    var namedMapping: Expression?
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
