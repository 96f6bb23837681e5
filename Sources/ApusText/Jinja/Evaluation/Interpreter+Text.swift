import ApusFormats

extension Interpreter {
    /// A value as it is printed: text as it is, everything else as Python's `str`.
    func text(of value: Value) throws(TextError) -> String {
        switch value {
        case .undefined: return ""
        case .string(let text), .markup(let text): return text
        default: return try representation(of: value)
        }
    }

    /// A value as it is printed inside of a list: Python's `repr`.
    func representation(of value: Value, inASCII: Bool = false) throws(TextError) -> String {
        try budget.spend(steps: 1, line: line)
        switch value {
        case .undefined: return "Undefined"
        case .none: return "None"
        case .bool(let value): return value ? "True" : "False"
        case .integer(let value): return String(value)
        case .bigInteger(let value): return value.description
        case .number(let value): return value.pythonDescription
        case .string(let text): return try quoted(text, inASCII: inASCII)
        case .markup(let text): return "Markup(\(try quoted(text, inASCII: inASCII)))"
        case .list(let list): return try representation(of: list, inASCII: inASCII)
        case .dictionary(let dictionary):
            var parts: [String] = []
            for (key, value) in dictionary.members {
                let name = try representation(of: key, inASCII: inASCII)
                parts.append("\(name): \(try representation(of: value, inASCII: inASCII))")
            }
            return try bracketed(parts, "{", "}")
        case .namespace(let namespace):
            return "<Namespace \(try representation(of: .dictionary(namespace.attributes)))>"
        case .loop(let loop): return "<LoopContext \(loop.index + 1)/\(loop.items.count)>"
        case .function(.macro(let macro)):
            let name = macro.definition.name
            return name == "caller" ? "<Macro anonymous>" : "<Macro \(try quoted(name))>"
        case .function, .iterator, .cycler, .joiner:
            throw unsupported(
                "\(value.kind) is printed as an address, which differs in every run; call it or make it a list")
        }
    }

    private func representation(of list: Value.List, inASCII: Bool) throws(TextError) -> String {
        if case .range(let start, let stop, let step) = list.kind {
            return step == 1 ? "range(\(start), \(stop))" : "range(\(start), \(stop), \(step))"
        }
        var parts: [String] = []
        for item in list.items { parts.append(try representation(of: item, inASCII: inASCII)) }
        switch list.kind {
        case .list, .range: return try bracketed(parts, "[", "]")
        case .tuple, .group: return try bracketed(parts, "(", parts.count == 1 ? ",)" : ")")
        case .keys: return try bracketed(parts, "dict_keys([", "])")
        case .values: return try bracketed(parts, "dict_values([", "])")
        case .items: return try bracketed(parts, "dict_items([", "])")
        }
    }

    private func bracketed(_ parts: [String], _ open: String, _ close: String) throws(TextError) -> String {
        let text = open + parts.joined(separator: ", ") + close
        try budget.spend(bytes: text.utf8.count, line: line)
        return text
    }

    private func quoted(_ text: String, inASCII: Bool = false) throws(TextError) -> String {
        try budget.spend(bytes: text.utf8.count, line: line)
        let scalars = text.unicodeScalars
        let quote: Unicode.Scalar = scalars.contains("'") && !scalars.contains("\"") ? "\"" : "'"
        var result = String.UnicodeScalarView([quote])
        for scalar in scalars {
            switch scalar {
            case quote, "\\": result.append(contentsOf: ["\\", scalar])
            case "\n": result.append(contentsOf: ["\\", "n"])
            case "\r": result.append(contentsOf: ["\\", "r"])
            case "\t": result.append(contentsOf: ["\\", "t"])
            case _ where !scalar.isPythonPrintable || (inASCII && !scalar.isASCII):
                result.append(contentsOf: scalar.pythonEscape.unicodeScalars)
            default: result.append(scalar)
            }
        }
        result.append(quote)
        return String(result)
    }

    /// The data of a value, for `tojson`.
    func data(of value: Value) throws(TextError) -> JSONValue {
        try budget.spend(bytes: 16, line: line)
        switch value {
        case .none: return .null
        case .bool(let value): return .bool(value)
        case .integer(let value): return .integer(value)
        case .bigInteger(let value): return .bigInteger(value)
        case .number(let value): return .number(value)
        case .string(let text), .markup(let text):
            try budget.spend(bytes: text.utf8.count, line: line)
            return .string(text)
        case .list(let list) where list.kind == .list || list.kind.isTuple:
            var elements: [JSONValue] = []
            for item in list.items { elements.append(try data(of: item)) }
            return .array(elements)
        case .dictionary(let dictionary):
            var members: [JSONValue.Member] = []
            for (key, value) in dictionary.members {
                members.append(.init(key: try jsonKey(key), value: try data(of: value)))
            }
            return .object(members)
        default: throw failure("\(value.kind) cannot be written as JSON")
        }
    }

    /// Keys of JSON are texts; `json.dumps` makes them of numbers and of true, false and none.
    private func jsonKey(_ key: Value) throws(TextError) -> String {
        switch key {
        case .string(let text), .markup(let text): return text
        case .none, .bool, .integer, .bigInteger, .number: return JSONWriter().write(try data(of: key))
        default: throw failure("\(key.kind) cannot be a key in JSON")
        }
    }
}
