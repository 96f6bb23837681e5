extension Interpreter {
    mutating func callMethod(_ name: String, of value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        switch value {
        case .undefined: throw failure("\(value.kind) has no method '\(name)'")
        case .string(let text):
            try budget.spend(bytes: text.utf8.count, line: line)
            if let result = try callMethod(name, of: text, arguments) { return result }
        case .dictionary(let dictionary):
            if let result = try callMethod(name, of: dictionary, arguments) { return result }
        case .loop(let loop) where name == "cycle" && !arguments.positional.isEmpty:
            return arguments.positional[loop.index % arguments.positional.count]
        default: break
        }
        throw failure("\(value.kind) has no method '\(name)'")
    }

    private mutating func callMethod(
        _ name: String, of dictionary: Value.Dictionary, _ arguments: CallArguments
    ) throws(TextError) -> Value? {
        try budget.spend(steps: dictionary.members.count, line: line)
        switch name {
        case "items":
            return .list(
                Value.List(dictionary.members.map { .list(.init([.string($0.key), $0.value], isTuple: true)) }))
        case "keys": return .list(Value.List(dictionary.members.map { .string($0.key) }))
        case "values": return .list(Value.List(dictionary.members.map(\.value)))
        case "get":
            let standard = arguments.value(1, "default") ?? Value.none
            guard case .string(let key)? = arguments.value(0, "key") else { return standard }
            return dictionary[key] ?? standard
        default: return nil
        }
    }

    private mutating func callMethod(
        _ name: String, of text: String, _ arguments: CallArguments
    ) throws(TextError) -> Value? {
        switch name {
        case "strip", "lstrip", "rstrip":
            let set = try optionalText(arguments.value(0, "chars"))
            return .string(text.stripped(of: set, left: name != "rstrip", right: name != "lstrip"))
        case "startswith", "endswith": return .bool(try matches(text, name, arguments.value(0, "prefix")))
        case "split", "rsplit": return try split(text, name, arguments)
        case "splitlines": return .list(Value.List(text.pythonLines().map(Value.string)))
        case "upper", "lower", "capitalize", "title": return .string(text.cased(name))
        case "replace": return try replace(text, arguments)
        case "find", "count": return try search(text, name, arguments.value(0, "sub"))
        case "join":
            let items = arguments.value(0, "iterable") ?? Value.none
            return try apply("join", to: items, CallArguments(positional: [.string(text)]))
        case "isdigit", "isspace", "isalpha", "isalnum": return .bool(text.isMade(of: name))
        case "removeprefix", "removesuffix":
            let part = try requiredText(arguments.value(0, "part"), of: name)
            let isPrefix = name == "removeprefix"
            guard isPrefix ? text.startsScalarwise(with: part) : text.endsScalarwise(with: part) else {
                return .string(text)
            }
            let count = part.unicodeScalars.count
            return .string(
                String(isPrefix ? text.unicodeScalars.dropFirst(count) : text.unicodeScalars.dropLast(count)))
        default: return nil
        }
    }

    func optionalText(_ value: Value?) throws(TextError) -> String? {
        switch value {
        case nil, Value.none?: return nil
        case .string(let text)?: return text
        case let value?: throw failure("wanted a string, found \(value.kind)")
        }
    }

    func requiredText(_ value: Value?, of name: String) throws(TextError) -> String {
        guard let text = try optionalText(value) else { throw failure("'\(name)' wants a string") }
        return text
    }

    /// `startswith` and `endswith` take one text or several.
    private mutating func matches(_ text: String, _ name: String, _ wanted: Value?) throws(TextError) -> Bool {
        var candidates = [wanted ?? Value.none]
        if case .list(let list)? = wanted { candidates = list.items }
        for candidate in candidates {
            let part = try requiredText(candidate, of: name)
            if name == "startswith" ? text.startsScalarwise(with: part) : text.endsScalarwise(with: part) {
                return true
            }
        }
        return false
    }

    private mutating func split(_ text: String, _ name: String, _ arguments: CallArguments) throws(TextError) -> Value {
        let limit = arguments.value(1, "maxsplit")?.wholeNumber ?? -1
        var parts: [String]
        if let separator = try optionalText(arguments.value(0, "sep")) {
            guard !separator.isEmpty else { throw failure("'\(name)' wants a separator that is not empty") }
            parts = TextSearch(text).split(at: separator, limit: limit < 0 || name == "rsplit" ? .max : limit)
            if name == "rsplit", limit >= 0, parts.count > limit + 1 {
                let head = parts[..<(parts.count - limit)].joined(separator: separator)
                parts = [head] + parts.suffix(limit)
            }
        } else {
            guard limit < 0 else { throw failure("'\(name)' at white space takes no 'maxsplit' here") }
            parts = text.unicodeScalars.split(whereSeparator: \.isPythonSpace).map { String($0) }
        }
        try budget.spend(bytes: 16 * parts.count, line: line)
        return .list(Value.List(parts.map(Value.string)))
    }

    mutating func replace(_ text: String, _ arguments: CallArguments) throws(TextError) -> Value {
        let old = try requiredText(arguments.value(0, "old"), of: "replace")
        let new = try requiredText(arguments.value(1, "new"), of: "replace")
        let count = arguments.value(2, "count")?.wholeNumber ?? -1
        guard !old.isEmpty else { throw failure("'replace' wants something to replace") }
        let parts = TextSearch(text).split(at: old, limit: count < 0 ? .max : count)
        let added = (parts.count - 1).multipliedReportingOverflow(by: new.utf8.count)
        try budget.spend(bytes: added.overflow ? .max : added.partialValue, line: line)
        return .string(parts.joined(separator: new))
    }

    private mutating func search(_ text: String, _ name: String, _ part: Value?) throws(TextError) -> Value {
        let part = try requiredText(part, of: name)
        let search = TextSearch(text)
        if name == "count" {
            return .integer(part.isEmpty ? text.unicodeScalars.count + 1 : search.split(at: part).count - 1)
        }
        guard let range = search.firstRange(of: part) else { return .integer(-1) }
        return .integer(String(decoding: search.bytes[..<range.lowerBound], as: UTF8.self).unicodeScalars.count)
    }
}
