internal import Foundation

/// Walks the syntax tree of a template.
struct Interpreter {
    private static let maximumValueDepth = 64

    /// Variables, innermost scope last; the first are the caller's and those set outside of loops.
    var scopes: [[String: Value]]
    var budget: Budget
    let date: Date
    /// The line that is being evaluated, for errors.
    var line = 1
    private var output = ""

    /// How a statement ended.
    enum Flow {
        case next, breakLoop, continueLoop
    }

    init(variables: [String: JSONValue], limits: ChatTemplate.Limits, date: Date) {
        scopes = [variables.mapValues(Value.init)]
        budget = Budget(limits)
        self.date = date
    }

    mutating func render(_ statements: [Statement]) throws(TextError) -> String {
        _ = try execute(statements)
        return output
    }

    func failure(_ message: String) -> TextError {
        TextError(code: .templateFailed, message: message, line: line)
    }

    /// A list, refused where it would nest too deep or hold what has no value of its own.
    func makeList(_ items: [Value], isTuple: Bool = false) throws(TextError) -> Value {
        for item in items { try checkElement(item) }
        return .list(Value.List(items, isTuple: isTuple))
    }

    /// Refuses what must not be held by other values: a namespace that holds itself would never be freed.
    func checkElement(_ value: Value) throws(TextError) {
        switch value {
        case .namespace, .loop, .macro: throw failure("\(value.kind) cannot be stored inside of another value")
        default: break
        }
        guard value.depth < Self.maximumValueDepth else {
            throw TextError(
                code: .templateLimit, message: "lists nest deeper than \(Self.maximumValueDepth) levels", line: line)
        }
    }
}

// MARK: - Statements

extension Interpreter {
    mutating func execute(_ statements: [Statement]) throws(TextError) -> Flow {
        for statement in statements {
            line = statement.line
            try budget.spend(steps: 1, line: line)
            try budget.enter(line: line)
            let flow = try execute(statement.kind)
            budget.leave()
            if flow != .next { return flow }
        }
        return .next
    }

    private mutating func execute(_ statement: Statement.Kind) throws(TextError) -> Flow {
        switch statement {
        case .text(let text): try write(text)
        case .output(let expression):
            let value = try evaluate(expression)
            try write(try text(of: value))
        case .conditional(let branches, let otherwise):
            for branch in branches where try evaluate(branch.condition).isTrue { return try execute(branch.body) }
            return try execute(otherwise)
        case .loop(let loop): try execute(loop)
        case .assignment(let target, let expression): try assign(try evaluate(expression), to: target)
        case .capture(let target, let body, let filters):
            scopes.append([:])
            var value = Value.string(try capture(body))
            scopes.removeLast()
            for filter in filters { value = try apply(filter.name, to: value, try evaluate(filter.arguments)) }
            try assign(value, to: target)
        case .macro(let macro): scopes[scopes.count - 1][macro.name] = .macro(macro)
        case .group(let body): return try execute(body)
        case .breakLoop: return .breakLoop
        case .continueLoop: return .continueLoop
        }
        return .next
    }

    private mutating func write(_ text: String) throws(TextError) {
        try budget.spend(bytes: text.utf8.count, line: line)
        try budget.checkOutput(bytes: output.utf8.count + text.utf8.count, line: line)
        output += text
    }

    /// What statements write, instead of writing it.
    mutating func capture(_ body: [Statement]) throws(TextError) -> String {
        let outer = output
        output = ""
        _ = try execute(body)
        defer { output = outer }
        return output
    }

    private mutating func assign(_ value: Value, to target: Statement.Target) throws(TextError) {
        switch target {
        case .names(let names): try bind(value, to: names)
        case .attribute(let name, let attribute):
            guard case .namespace(let namespace) = lookUp(name) else {
                throw failure("attributes can be set on namespaces only, and '\(name)' is \(lookUp(name).kind)")
            }
            guard !attribute.hasPrefix("_") else { throw failure("'\(attribute)' is no name for an attribute") }
            try checkElement(value)
            namespace.attributes.set(attribute, to: value)
        }
    }

    /// Sets variables of the innermost scope; several names unpack a list.
    private mutating func bind(_ value: Value, to names: [String]) throws(TextError) {
        guard names.count > 1 else {
            scopes[scopes.count - 1][names[0]] = value
            return
        }
        let items = try elements(of: value)
        guard items.count == names.count else {
            throw failure("wanted \(names.count) values for \(names.joined(separator: ", ")), found \(items.count)")
        }
        for (name, item) in zip(names, items) { scopes[scopes.count - 1][name] = item }
    }

    private mutating func execute(_ loop: Statement.Loop) throws(TextError) {
        let items = try selectedItems(loop)
        guard !items.isEmpty else {
            _ = try execute(loop.otherwise)
            return
        }
        for (index, item) in items.enumerated() {
            try budget.spend(steps: 1, line: line)
            scopes.append(["loop": .loop(.init(items: items, index: index))])
            defer { scopes.removeLast() }
            try bind(item, to: loop.names)
            if try execute(loop.body) == .breakLoop { break }
        }
    }

    /// The elements that the loop's condition lets through.
    private mutating func selectedItems(_ loop: Statement.Loop) throws(TextError) -> [Value] {
        let items = try elements(of: try evaluate(loop.sequence))
        guard let condition = loop.condition else { return items }
        var selected: [Value] = []
        for item in items {
            scopes.append([:])
            defer { scopes.removeLast() }
            try bind(item, to: loop.names)
            if try evaluate(condition).isTrue { selected.append(item) }
        }
        return selected
    }

    /// What a loop runs over: elements, keys, or characters; nothing for undefined.
    mutating func elements(of value: Value) throws(TextError) -> [Value] {
        switch value {
        case .undefined: return []
        case .list(let list):
            try budget.spend(steps: list.items.count / 16, line: line)
            return list.items
        case .dictionary(let dictionary): return dictionary.members.map { .string($0.key) }
        case .string(let text):
            try budget.spend(bytes: text.utf8.count * 16, line: line)
            return text.unicodeScalars.map { .string(String($0)) }
        default: throw failure("wanted a list, found \(value.kind)")
        }
    }

    func lookUp(_ name: String) -> Value {
        for scope in scopes.reversed() {
            if let value = scope[name] { return value }
        }
        return .undefined(name)
    }
}
