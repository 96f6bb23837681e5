internal import Foundation

/// Walks the syntax tree of a template.
final class Interpreter {
    private static let maximumValueDepth = 64

    let blocks: [String: [Statement]]
    private let statements: [Statement]
    /// The caller's variables and those that are set outside of loops and macros.
    let globals: Scope
    /// The innermost variables.
    var scope: Scope
    var budget: Budget
    let date: Date
    /// The line that is being evaluated, for errors.
    var line = 1
    var output = ""
    /// How many captures are around what is written: where text is put together that is written later, or never.
    var captureDepth = 0
    /// The bytes of the output that the assistant says.
    var generated: [Range<Int>] = []
    /// A line that marks what the assistant says where nobody knows its place in the output.
    var unplacedGeneration: Int?
    /// Scopes that macros hold, which hold the macros: they are emptied at the end, or they would never be freed.
    var closedOver: [Scope] = []

    init(_ syntax: TemplateSyntax, variables: [String: JSONValue], limits: ChatTemplate.Limits, date: Date) {
        blocks = syntax.blocks
        statements = syntax.statements
        globals = Scope(variables.mapValues(Value.init), in: nil)
        scope = globals
        budget = Budget(limits)
        self.date = date
    }

    func render() throws(TextError) -> String {
        defer { for scope in closedOver { scope.variables = [:] } }
        _ = try execute(statements)
        return output
    }

    /// The text in parts: those that `{% generation %}` marks, and what is between them.
    func renderParts() throws(TextError) -> [ChatTemplate.Part] {
        let text = Array(try render().utf8)
        if let unplacedGeneration {
            throw TextError(
                code: .templateUnsupported,
                message: "'generation' within a macro or a captured text has no known place in the whole",
                line: unplacedGeneration)
        }
        var parts: [ChatTemplate.Part] = []
        func append(_ range: Range<Int>, isGenerated: Bool) {
            guard !range.isEmpty else { return }
            parts.append(.init(text: String(decoding: text[range], as: UTF8.self), isGenerated: isGenerated))
        }
        var end = 0
        for range in generated {
            append(end..<range.lowerBound, isGenerated: false)
            append(range, isGenerated: true)
            end = range.upperBound
        }
        append(end..<text.count, isGenerated: false)
        return parts
    }

    func failure(_ message: String) -> TextError {
        TextError(code: .templateFailed, message: message, line: line)
    }

    /// The error of what Jinja2 could do and Apus does not.
    func unsupported(_ message: String) -> TextError {
        TextError(code: .templateUnsupported, message: message, line: line)
    }

    /// The error of a value that would be too large or too deep.
    func exceeded(_ message: String) -> TextError { TextError(code: .templateLimit, message: message, line: line) }

    func lookUp(_ name: String) -> Value {
        scope[name] ?? (Self.globalFunctions[name] == nil ? .undefined(name) : .function(.global(name)))
    }

    /// A list, refused where it would nest too deep or hold what has no value of its own.
    func makeList(_ items: [Value], _ kind: Value.List.Kind = .list) throws(TextError) -> Value {
        for item in items { try checkElement(item) }
        return .list(Value.List(items, kind))
    }

    /// Refuses what must not be held by other values: a namespace that holds itself would never be freed.
    func checkElement(_ value: Value) throws(TextError) {
        switch value {
        case .namespace, .loop, .function(.macro), .function(.method(.loop, _)), .cycler, .joiner:
            throw unsupported("\(value.kind) cannot be stored inside of another value")
        default: break
        }
        guard value.depth < Self.maximumValueDepth else {
            throw exceeded("lists nest deeper than \(Self.maximumValueDepth) levels")
        }
    }

    /// What a loop runs over: elements, keys, or characters; nothing for undefined.
    func elements(of value: Value) throws(TextError) -> [Value] {
        switch value {
        case .undefined: return []
        case .list(let list):
            try budget.spend(steps: list.items.count / 16, line: line)
            return list.items
        case .dictionary(let dictionary):
            try budget.spend(steps: dictionary.members.count / 16, line: line)
            return dictionary.members.map(\.key)
        case .iterator(let iterator): return try iterator.remaining()
        case .string(let text), .markup(let text):
            try budget.spend(bytes: text.utf8.count * 16, line: line)
            return text.unicodeScalars.map { .string(String($0)) }
        case .loop(let loop): return Array(loop.items.dropFirst(loop.index + 1))
        default: throw failure("wanted a list, found \(value.kind)")
        }
    }
}
