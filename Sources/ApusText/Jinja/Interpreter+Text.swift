import ApusFormats

extension Interpreter {
    /// A value as it is printed: text as it is, everything else as Python's `str`.
    mutating func text(of value: Value) throws(TextError) -> String {
        switch value {
        case .undefined: return ""
        case .string(let text): return text
        default: return try representation(of: value)
        }
    }

    /// A value as it is printed inside of a list: Python's `repr`.
    private mutating func representation(of value: Value) throws(TextError) -> String {
        try budget.spend(steps: 1, line: line)
        switch value {
        case .undefined: return "Undefined"
        case .none: return "None"
        case .bool(let value): return value ? "True" : "False"
        case .integer(let value): return String(value)
        case .bigInteger(let value): return value.description
        case .number(let value):
            return value.isFinite ? JSONWriter.describe(value) : value.isNaN ? "nan" : value < 0 ? "-inf" : "inf"
        case .string(let text): return try quoted(text)
        case .list(let list):
            var parts: [String] = []
            for item in list.items { parts.append(try representation(of: item)) }
            guard list.isTuple else { return try bracketed(parts, "[", "]") }
            return try bracketed(parts, "(", parts.count == 1 ? ",)" : ")")
        case .dictionary(let dictionary):
            var parts: [String] = []
            for member in dictionary.members {
                parts.append("\(try quoted(member.key)): \(try representation(of: member.value))")
            }
            return try bracketed(parts, "{", "}")
        case .namespace, .loop, .macro: return "<\(value.kind)>"
        }
    }

    private mutating func bracketed(_ parts: [String], _ open: String, _ close: String) throws(TextError) -> String {
        let text = open + parts.joined(separator: ", ") + close
        try budget.spend(bytes: text.utf8.count, line: line)
        return text
    }

    private mutating func quoted(_ text: String) throws(TextError) -> String {
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
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                let digits = String(scalar.value, radix: 16)
                result.append(contentsOf: "\\x\(digits.utf8.count < 2 ? "0" : "")\(digits)".unicodeScalars)
            default: result.append(scalar)
            }
        }
        result.append(quote)
        return String(result)
    }

    /// The data of a value, for `tojson`.
    mutating func data(of value: Value) throws(TextError) -> JSONValue {
        try budget.spend(bytes: 16, line: line)
        switch value {
        case .none: return .null
        case .bool(let value): return .bool(value)
        case .integer(let value): return .integer(value)
        case .bigInteger(let value): return .bigInteger(value)
        case .number(let value): return .number(value)
        case .string(let text):
            try budget.spend(bytes: text.utf8.count, line: line)
            return .string(text)
        case .list(let list):
            var elements: [JSONValue] = []
            for item in list.items { elements.append(try data(of: item)) }
            return .array(elements)
        case .dictionary(let dictionary):
            var members: [JSONValue.Member] = []
            for member in dictionary.members {
                members.append(.init(key: member.key, value: try data(of: member.value)))
            }
            return .object(members)
        default: throw failure("\(value.kind) cannot be written as JSON")
        }
    }
}
