/// The methods of Python's values. What changes a value is refused, as in Jinja2's sandbox.
extension Interpreter {
    private static let dictionaryMethods: Set<String> = [
        "clear", "copy", "fromkeys", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values",
    ]
    private static let listMethods: Set<String> = [
        "append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse", "sort",
    ]
    private static let integerMethods: Set<String> = [
        "as_integer_ratio", "bit_count", "bit_length", "conjugate", "from_bytes", "to_bytes",
    ]
    private static let numberMethods: Set<String> = ["as_integer_ratio", "conjugate", "fromhex", "hex", "is_integer"]

    static func hasMethod(_ name: String, _ value: Value) -> Bool {
        switch value {
        case .string: stringMethods[name] != nil
        case .markup: stringMethods[name] != nil || ["escape", "striptags", "unescape"].contains(name)
        case .dictionary: dictionaryMethods.contains(name)
        case .list(let list):
            switch list.kind {
            case .list: listMethods.contains(name)
            case .tuple, .range, .group: ["count", "index"].contains(name)
            case .keys, .items: ["isdisjoint", "mapping"].contains(name)
            case .values: name == "mapping"
            }
        case .bool, .integer, .bigInteger: integerMethods.contains(name)
        case .number: numberMethods.contains(name)
        case .loop: ["changed", "cycle"].contains(name)
        case .cycler: ["next", "reset"].contains(name)
        default: false
        }
    }

    func callMethod(_ name: String, of value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        switch value {
        case .string(let text):
            try budget.spend(bytes: text.utf8.count, line: line)
            if let method = Self.stringMethods[name] { return try method(self)(text, arguments) }
        case .markup(let text): return try callMethod(name, ofMarkup: text, arguments)
        case .dictionary(let dictionary):
            try budget.spend(steps: dictionary.members.count / 16, line: line)
            return try callMethod(name, of: dictionary, arguments)
        case .list(let list): return try callMethod(name, of: list, arguments)
        case .bool, .integer, .bigInteger, .number: return try callNumberMethod(name, of: value, arguments)
        case .loop(let loop): return try callMethod(name, of: loop, arguments)
        case .cycler(let cycler):
            _ = try bind(arguments, of: name, 0...0)
            return cycler.advance(resets: name == "reset")
        default: break
        }
        throw failure("\(value.kind) has no method '\(name)'")
    }

    /// What a text's method makes of escaped text counts as escaped, as long as nothing else goes into it.
    private func callMethod(
        _ name: String, ofMarkup text: String, _ arguments: CallArguments
    ) throws(TextError) -> Value {
        let combining = [
            "center", "escape", "format", "format_map", "join", "ljust", "replace", "rjust", "striptags", "unescape",
        ]
        guard !combining.contains(name) else { throw unsupported("'\(name)' on escaped text is not supported") }
        switch try callMethod(name, of: .string(text), arguments) {
        case .string(let result): return .markup(result)
        case .list(let list):
            return .list(Value.List(list.items.map { $0.text.map(Value.markup) ?? $0 }, list.kind))
        case let result: return result
        }
    }

    private func refuseChange(_ name: String, _ value: String) -> TextError {
        failure("'\(name)' would change \(value), which a template cannot; make a new one, or use a namespace")
    }
}

// MARK: - Mappings and lists

extension Interpreter {
    private func callMethod(
        _ name: String, of dictionary: Value.Dictionary, _ arguments: CallArguments
    ) throws(TextError) -> Value {
        switch name {
        case "get":
            let values = try bind(arguments, of: name, 1...2)
            guard let key = Value.Key(values[0] ?? .none) else { throw failure("a mapping has no such keys") }
            return dictionary[key] ?? values[1] ?? .none
        case "fromkeys":
            let values = try bind(arguments, of: name, 1...2)
            let keys = try elements(of: values[0] ?? .none)
            return try makeDictionary(keys.map { ($0, values[1] ?? .none) })
        case "items":
            _ = try bind(arguments, of: name, 0...0)
            return .list(Value.List(dictionary.pairs, .items))
        case "keys":
            _ = try bind(arguments, of: name, 0...0)
            return .list(Value.List(dictionary.members.map(\.key), .keys))
        case "values":
            _ = try bind(arguments, of: name, 0...0)
            return .list(Value.List(dictionary.members.map(\.value), .values))
        case "copy":
            _ = try bind(arguments, of: name, 0...0)
            return .dictionary(dictionary)
        default: throw refuseChange(name, "a mapping")
        }
    }

    private func callMethod(
        _ name: String, of list: Value.List, _ arguments: CallArguments
    ) throws(TextError) -> Value {
        switch name {
        case "count":
            let wanted = try bind(arguments, of: name, 1...1)[0] ?? .none
            var count = 0
            for item in list.items where try areEqual(item, wanted) { count += 1 }
            return .integer(count)
        case "index":
            let values = try bind(arguments, of: name, 1...3)
            let bounds = Self.bounds(
                try optionalNumber(values[1], of: name), try optionalNumber(values[2], of: name), list.items.count)
            for position in bounds where try areEqual(list.items[position], values[0] ?? .none) {
                return .integer(position)
            }
            throw failure("'index' looks for what the list does not have")
        case "copy":
            _ = try bind(arguments, of: name, 0...0)
            return .list(list)
        case "isdisjoint", "mapping": throw unsupported("'\(name)' of a view is not supported")
        default: throw refuseChange(name, "a list")
        }
    }

    /// The positions from `start` up to `stop` as Python counts them, from the end where they are negative.
    static func bounds(_ start: Int?, _ stop: Int?, _ count: Int) -> Range<Int> {
        func clamped(_ bound: Int) -> Int {
            let position = bound < 0 ? bound.addingReportingOverflow(count).partialValue : bound
            return min(max(position, 0), count)
        }
        let first = clamped(start ?? 0)
        return first..<max(clamped(stop ?? count), first)
    }
}

extension Value.Dictionary {
    /// Each key with its value, as a tuple.
    var pairs: [Value] { members.map { .tuple([$0.key, $0.value]) } }
}

// MARK: - Numbers, loops and cyclers

extension Interpreter {
    private func callNumberMethod(
        _ name: String, of value: Value, _ arguments: CallArguments
    ) throws(TextError) -> Value {
        _ = try bind(arguments, of: name, 0...0)
        switch (name, value.wholeNumber) {
        case ("conjugate", _): return value.wholeNumber.map(Value.integer) ?? value
        case ("bit_length", let whole?): return .integer(Int.bitWidth - whole.magnitude.leadingZeroBitCount)
        case ("bit_count", let whole?): return .integer(whole.magnitude.nonzeroBitCount)
        case ("as_integer_ratio", let whole?): return .tuple([.integer(whole), .integer(1)])
        case ("is_integer", nil):
            let number = value.floatingNumber ?? .nan
            return .bool(number.isFinite && number.rounded() == number)
        default: throw unsupported("'\(name)' of a number is not supported")
        }
    }

    private func callMethod(
        _ name: String, of loop: Value.LoopState, _ arguments: CallArguments
    ) throws(TextError) -> Value {
        guard arguments.named.isEmpty else { throw failure("'loop.\(name)' takes no arguments by name") }
        let values = arguments.positional
        if name == "cycle" {
            guard !values.isEmpty else { throw failure("'loop.cycle' wants something to go through") }
            return values[loop.index % values.count]
        }
        if let last = loop.lastChecked, try areEqual(.tuple(last), .tuple(values)) { return .bool(false) }
        loop.lastChecked = values
        return .bool(true)
    }
}

extension Value.Cycler {
    fileprivate func advance(resets: Bool) -> Value {
        guard !resets else {
            position = 0
            return .none
        }
        defer { position = (position + 1) % items.count }
        return current
    }
}
