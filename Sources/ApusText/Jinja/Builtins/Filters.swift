import ApusFormats

/// What a filter makes of a value.
typealias Filter = Builtin<Value, Value>

/// What something built in makes of a value and the arguments of a call.
typealias Builtin<Operand, Result> = @Sendable (Interpreter) -> (Operand, CallArguments) throws(TextError) -> Result

extension Interpreter {
    /// One of several built-in names that a function serves, which is told by which it is called.
    static func named<Operand, Result>(
        _ name: String,
        _ function: @escaping @Sendable (Interpreter) -> (Operand, String, CallArguments) throws(TextError) -> Result
    ) -> Builtin<Operand, Result> {
        { interpreter in
            { operand, arguments throws(TextError) in try function(interpreter)(operand, name, arguments) }
        }
    }

    /// The filters of Jinja2 by their names.
    static let filters: [String: Filter] =
        valueFilters.merging(textFilters) { $1 }.merging(numberFilters) { $1 }.merging(listFilters) { $1 }
        .merging(aggregatingFilters) { $1 }

    private static let valueFilters: [String: Filter] = [
        "default": defaulted,
        "d": defaulted,
        "attr": attributeFilter,
        "tojson": json,
        "length": length,
        "count": length,
        "string": string,
        "pprint": prettyPrinted,
        "random": named("random", refused),
    ]

    /// Applies a filter.
    func apply(_ name: String, to value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        guard let filter = Self.filters[name] else { throw failure("there is no filter '\(name)'") }
        if let text = value.text { try budget.spend(bytes: text.utf8.count, line: line) }
        return try filter(self)(value, arguments)
    }
}

extension Interpreter {
    func refused<Operand>(_ value: Operand, _ name: String, _ arguments: CallArguments) throws(TextError) -> Value {
        throw unsupported("'\(name)' is not supported")
    }

    private func defaulted(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        let values = try bind(arguments, of: "default", "default_value", "boolean")
        let isReplaced: Bool
        if case .undefined = value {
            isReplaced = true
        } else {
            isReplaced = values[1]?.isTrue ?? false && !value.isTrue
        }
        return isReplaced ? values[0] ?? .string("") : value
    }

    private func attributeFilter(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        let name = try text(of: try bind(arguments, of: "attr", "name", required: 1)[0] ?? .none)
        if case .undefined = value { throw failure("\(value.kind) has no attribute '\(name)'") }
        return try objectAttribute(name, of: value) ?? .undefined(name)
    }

    /// transformers' own filter: plain `json.dumps`, which escapes nothing for HTML.
    private func json(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        let values = try bind(arguments, of: "tojson", "ensure_ascii", "indent", "separators", "sort_keys")
        var writer = JSONWriter()
        writer.escapesNonASCII = values[0]?.isTrue ?? false
        if let indent = values[1], !indent.isNone {
            guard let width = indent.wholeNumber, (0...16).contains(width) else {
                throw unsupported("'tojson' is supported with an indent of 0 to 16, found \(indent.kind)")
            }
            writer.indent = width
        }
        if let separators = values[2], !separators.isNone {
            let pair = try elements(of: separators)
            guard pair.count == 2 else { throw failure("'tojson' wants two separators") }
            writer.itemSeparator = try requiredText(pair[0], of: "tojson")
            writer.keySeparator = try requiredText(pair[1], of: "tojson")
        }
        // Before keys become texts: Python sorts numbers as such, and numbers with texts not at all.
        let isSorted = values[3]?.isTrue ?? false
        let text = writer.write(try data(of: isSorted ? try sortedByKeys(value) : value))
        try budget.spend(bytes: text.utf8.count, line: line)
        return .string(text)
    }

    private func length(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        _ = try bind(arguments, of: "length")
        guard let length = length(of: value) else { throw failure("\(value.kind) has no length") }
        return .integer(length)
    }

    func length(of value: Value) -> Int? {
        switch value {
        case .undefined: 0
        case .string(let text), .markup(let text): text.unicodeScalars.count
        case .list(let list): list.items.count
        case .dictionary(let dictionary): dictionary.members.count
        case .loop(let loop): loop.items.count
        default: nil
        }
    }

    private func string(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        _ = try bind(arguments, of: "string")
        if case .markup = value { return value }
        return .string(try text(of: value))
    }

    /// What fits on one line of 80 columns; how Python breaks the rest is not Apus's.
    private func prettyPrinted(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        _ = try bind(arguments, of: "pprint")
        let text = try representation(of: try sortedByKeys(value))
        guard text.unicodeScalars.count <= 80 else {
            throw unsupported("'pprint' is supported up to 80 characters; use 'tojson'")
        }
        return .string(text)
    }

    private func sortedByKeys(_ value: Value) throws(TextError) -> Value {
        switch value {
        case .list(let list) where list.kind == .list || list.kind == .tuple:
            var items: [Value] = []
            for item in list.items { items.append(try sortedByKeys(item)) }
            return .list(Value.List(items, list.kind))
        case .dictionary(let dictionary):
            var members: [Value.Dictionary.Member] = []
            for (key, value) in dictionary.members { members.append((key, try sortedByKeys(value))) }
            let order = try sortedIndices(members.map(\.key))
            return try makeDictionary(order.map { members[$0] })
        default: return value
        }
    }
}
