import ApusFormats

extension Interpreter {
    /// Applies a filter.
    mutating func apply(_ name: String, to value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        if case .string(let text) = value { try budget.spend(bytes: text.utf8.count, line: line) }
        if let result = try applyTextFilter(name, to: value, arguments) { return result }
        if let result = try applyListFilter(name, to: value, arguments) { return result }
        switch name {
        case "default", "d":
            let standard = arguments.value(0, "default_value") ?? .string("")
            let replacesFalse = arguments.value(1, "boolean")?.isTrue ?? false
            if case .undefined = value { return standard }
            return replacesFalse && !value.isTrue ? standard : value
        case "tojson": return .string(try json(value, arguments))
        case "length", "count": return .integer(try length(of: value))
        case "int": return try wholeNumber(value, arguments)
        case "float":
            if case .string(let text) = value, let number = Double(text.stripped(of: nil)) { return .number(number) }
            return .number(value.floatingNumber ?? arguments.value(0, "default")?.floatingNumber ?? 0)
        case "abs":
            guard let number = value.floatingNumber else { throw failure("'abs' wants a number, found \(value.kind)") }
            return number < 0 ? try negate(value) : value
        default: throw failure("there is no filter '\(name)'")
        }
    }

    private mutating func applyTextFilter(
        _ name: String, to value: Value, _ arguments: CallArguments
    ) throws(TextError) -> Value? {
        switch name {
        case "string", "safe": return .string(try text(of: value))
        case "trim": return .string(try text(of: value).stripped(of: try optionalText(arguments.value(0, "chars"))))
        case "upper", "lower", "capitalize": return .string(try text(of: value).cased(name))
        case "title": return .string(try text(of: value).titledByWords())
        case "replace": return try replace(try text(of: value), arguments)
        case "indent": return .string(try indented(try text(of: value), arguments))
        default: return nil
        }
    }

    private mutating func applyListFilter(
        _ name: String, to value: Value, _ arguments: CallArguments
    ) throws(TextError) -> Value? {
        switch name {
        case "first": return try elements(of: value).first ?? .undefined("the first of nothing")
        case "last": return try elements(of: value).last ?? .undefined("the last of nothing")
        case "list": return .list(Value.List(try elements(of: value)))
        case "reverse":
            let reversed = Array(try elements(of: value).reversed())
            guard case .string = value else { return .list(Value.List(reversed)) }
            return try apply("join", to: .list(Value.List(reversed)), CallArguments())
        case "items":
            if case .undefined = value { return .list(Value.List([])) }
            guard case .dictionary = value else { throw failure("'items' wants a mapping, found \(value.kind)") }
            return try callMethod("items", of: value, arguments)
        case "join": return .string(try joined(value, arguments))
        case "map": return try mapped(value, arguments)
        case "select", "reject", "selectattr", "rejectattr": return try selected(name, value, arguments)
        case "unique": return try unique(value)
        default: return nil
        }
    }
}

// MARK: - Text

extension Interpreter {
    private mutating func json(_ value: Value, _ arguments: CallArguments) throws(TextError) -> String {
        var writer = JSONWriter()
        writer.escapesNonASCII = arguments.value(0, "ensure_ascii")?.isTrue ?? false
        if let indent = arguments.value(1, "indent")?.wholeNumber {
            guard (0...16).contains(indent) else { throw failure("'tojson' wants an indent of 0 to 16") }
            writer.indent = indent
        }
        if case .list(let pair)? = arguments.value(2, "separators") {
            guard pair.items.count == 2 else { throw failure("'tojson' wants two separators") }
            writer.itemSeparator = try requiredText(pair.items[0], of: "tojson")
            writer.keySeparator = try requiredText(pair.items[1], of: "tojson")
        }
        writer.sortsKeys = arguments.value(3, "sort_keys")?.isTrue ?? false
        let text = writer.write(try data(of: value))
        try budget.spend(bytes: text.utf8.count, line: line)
        return text
    }

    private mutating func indented(_ text: String, _ arguments: CallArguments) throws(TextError) -> String {
        let width = arguments.value(0, "width")?.wholeNumber ?? 4
        let indentsFirst = arguments.value(1, "first")?.isTrue ?? false
        let indentsBlank = arguments.value(2, "blank")?.isTrue ?? false
        guard (0...64).contains(width) else { throw failure("'indent' wants a width of 0 to 64") }
        let lines = (text + "\n").pythonLines()
        try budget.spend(bytes: text.utf8.count + lines.count * width, line: line)
        let margin = String(repeating: " ", count: width)
        return lines.enumerated().map { index, line in
            (index == 0 ? indentsFirst : indentsBlank || !line.isEmpty) ? margin + line : line
        }.joined(separator: "\n")
    }

    private mutating func joined(_ value: Value, _ arguments: CallArguments) throws(TextError) -> String {
        let separator = try optionalText(arguments.value(0, "d")) ?? ""
        let attribute = try optionalText(arguments.value(1, "attribute"))
        var parts: [String] = []
        for item in try elements(of: value) {
            let part = try attribute.map { name throws(TextError) in try path(name, of: item) } ?? item
            parts.append(try text(of: part))
            try budget.spend(bytes: (parts.last?.utf8.count ?? 0) + separator.utf8.count, line: line)
        }
        return parts.joined(separator: separator)
    }

    private func length(of value: Value) throws(TextError) -> Int {
        switch value {
        case .undefined: return 0
        case .string(let text): return text.unicodeScalars.count
        case .list(let list): return list.items.count
        case .dictionary(let dictionary): return dictionary.members.count
        default: throw failure("\(value.kind) has no length")
        }
    }

    private func wholeNumber(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        if let whole = value.wholeNumber { return .integer(whole) }
        if case .bigInteger = value { return value }
        if case .string(let text) = value, let whole = Int(text.stripped(of: nil)) { return .integer(whole) }
        var number = value.floatingNumber
        if case .string(let text) = value { number = Double(text.stripped(of: nil)) }
        return number.flatMap { Int(exactly: $0.rounded(.towardZero)) }.map(Value.integer)
            ?? arguments.value(0, "default") ?? .integer(0)
    }
}

// MARK: - Lists

extension Interpreter {
    /// An attribute of an attribute: "function.name".
    private func path(_ path: String, of value: Value) throws(TextError) -> Value {
        var result = value
        for name in TextSearch(path).split(at: ".") {
            if case .list(let list) = result, let index = Int(name) {
                result = list.items.indices.contains(index) ? list.items[index] : .undefined(name)
            } else {
                result = try attribute(name, of: result)
            }
        }
        return result
    }

    /// `map("filter", …)` or `map(attribute="name", default=…)`.
    private mutating func mapped(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        var results: [Value] = []
        let attribute = try optionalText(arguments.named["attribute"])
        let filter = try optionalText(arguments.positional.first)
        let rest = CallArguments(positional: Array(arguments.positional.dropFirst()), named: arguments.named)
        for item in try elements(of: value) {
            try budget.spend(steps: 1, line: line)
            if let attribute {
                var result = try path(attribute, of: item)
                if case .undefined = result, let standard = arguments.named["default"] { result = standard }
                results.append(result)
            } else if let filter {
                results.append(try apply(filter, to: item, rest))
            } else {
                throw failure("'map' wants a filter or an attribute")
            }
        }
        return try makeList(results)
    }

    private mutating func selected(
        _ name: String, _ value: Value, _ arguments: CallArguments
    ) throws(TextError) -> Value {
        var rest = arguments.positional[...]
        let attribute = name.hasSuffix("attr") ? try requiredText(rest.popFirst(), of: name) : nil
        let test = try optionalText(rest.popFirst())
        let keeps = name.hasPrefix("select")
        var results: [Value] = []
        for item in try elements(of: value) {
            try budget.spend(steps: 1, line: line)
            let subject = try attribute.map { name throws(TextError) in try path(name, of: item) } ?? item
            let isMatch =
                try test.map { name throws(TextError) in try self.test(name, subject, Array(rest)) } ?? subject.isTrue
            if isMatch == keeps { results.append(item) }
        }
        return .list(Value.List(results))
    }

    private mutating func unique(_ value: Value) throws(TextError) -> Value {
        var results: [Value] = []
        for item in try elements(of: value) where !(try contains(.list(Value.List(results)), item)) {
            results.append(item)
        }
        return .list(Value.List(results))
    }
}
