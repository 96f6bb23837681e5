import ApusFormats

extension Interpreter {
    static let textFilters: [String: Filter] = [
        "upper": named("upper", casedFilter),
        "lower": named("lower", casedFilter),
        "capitalize": named("capitalize", casedFilter),
        "title": title,
        "trim": trim,
        "replace": replaceFilter,
        "indent": indented,
        "center": centred,
        "truncate": truncated,
        "wordcount": wordCount,
        "wordwrap": wrapped,
        "format": formatFilter,
        "e": escape,
        "escape": escape,
        "forceescape": forceEscape,
        "safe": safe,
        "striptags": withoutTags,
        "urlencode": urlEncoded,
        "xmlattr": attributes,
        "urlize": named("urlize", refused),
    ]

    /// The text of a value that a filter without arguments takes.
    private func soft(
        _ value: Value, _ name: String, _ arguments: CallArguments
    ) throws(TextError) -> (text: String, value: Value) {
        _ = try bind(arguments, of: name)
        return (try text(of: value), value)
    }

    private func casedFilter(
        _ value: Value, _ name: String, _ arguments: CallArguments
    ) throws(TextError) -> Value {
        value.like(try soft(value, name, arguments).text.cased(name))
    }

    private func title(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        .string(try soft(value, "title", arguments).text.titledByWords())
    }

    private func trim(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        let set = try optionalText(try bind(arguments, of: "trim", "chars")[0])
        return value.like(try text(of: value).stripped(of: set))
    }

    private func replaceFilter(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        let values = try bind(arguments, of: "replace", "old", "new", "count", required: 2)
        let count = values[2]?.isNone == true ? nil : try optionalNumber(values[2], of: "replace")
        let old = try text(of: values[0] ?? .none)
        return .string(try replaced(try text(of: value), old, by: try text(of: values[1] ?? .none), count: count ?? -1))
    }

    private func indented(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        let values = try bind(arguments, of: "indent", "width", "first", "blank")
        let text = try requiredText(value, of: "indent")
        var margin = ""
        if let given = values[0]?.text {
            margin = given
        } else {
            let width = max(try optionalNumber(values[0], of: "indent") ?? 4, 0)
            try budget.spend(bytes: width, line: line)
            margin = String(repeating: " ", count: width)
        }
        let indentsFirst = values[1]?.isTrue ?? false
        let indentsBlank = values[2]?.isTrue ?? false
        let lines = (text + "\n").pythonLines()
        let added = lines.count.multipliedReportingOverflow(by: margin.utf8.count)
        try budget.spend(bytes: added.overflow ? .max : added.partialValue, line: line)
        let result = lines.enumerated().map { index, line in
            (index == 0 ? indentsFirst : indentsBlank || !line.isEmpty) ? margin + line : line
        }
        return value.like(result.joined(separator: "\n"))
    }

    private func centred(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        let width = try optionalNumber(try bind(arguments, of: "center", "width")[0], of: "center") ?? 80
        return value.like(try padded(try text(of: value), to: width, " ", "center"))
    }

    private func truncated(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        let values = try bind(arguments, of: "truncate", "length", "killwords", "end", "leeway")
        let length = try optionalNumber(values[0], of: "truncate") ?? 255
        let end = values[2] ?? .string("...")
        let leeway = values[3]?.isNone == true ? 5 : try optionalNumber(values[3], of: "truncate") ?? 5
        guard let endLength = self.length(of: end) else { throw failure("'truncate' wants a string as its end") }
        guard length >= endLength else { throw failure("'truncate' wants a length of at least \(endLength)") }
        guard leeway >= 0 else { throw failure("'truncate' wants a leeway of 0 or more") }
        guard let count = self.length(of: value) else {
            throw failure("'truncate' wants a string, found \(value.kind)")
        }
        guard count - leeway > length else { return value }
        let scalars = Array(try requiredText(value, of: "truncate").unicodeScalars)
        var kept = String.UnicodeScalarView()
        kept.append(contentsOf: scalars.prefix(length - endLength))
        if !(values[1]?.isTrue ?? false), let space = kept.lastIndex(of: " ") { kept = .init(kept[..<space]) }
        return try combine(value.like(String(kept)), .add, end)
    }

    private func wordCount(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        let text = try soft(value, "wordcount", arguments).text
        return .integer(text.unicodeScalars.split { !$0.isWordCharacter }.count)
    }

    private func formatFilter(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        guard arguments.positional.isEmpty || arguments.named.isEmpty else {
            throw failure("'format' takes values by place or by name, not both")
        }
        if case .markup = value { throw unsupported("'format' of escaped text is not supported") }
        let named = try makeDictionary(arguments.named.map { (.string($0.name), $0.value) })
        let values = arguments.named.isEmpty ? try makeList(arguments.positional, .tuple) : named
        return .string(try percentFormatted(try text(of: value), values))
    }
}

// MARK: - Wrapping

extension Interpreter {
    private func wrapped(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        let values = try bind(
            arguments, of: "wordwrap", "width", "break_long_words", "wrapstring", "break_on_hyphens")
        let width = try optionalNumber(values[0], of: "wordwrap") ?? 79
        let end = try optionalText(values[2]) ?? "\n"
        let wrapping = WordWrapping(
            width: width, breaksLongWords: values[1]?.isTrue ?? true, breaksOnHyphens: values[3]?.isTrue ?? true)
        var lines: [String] = []
        for line in try requiredText(value, of: "wordwrap").pythonLines() {
            guard width > 0 else { throw failure("'wordwrap' wants a width above 0") }
            let parts = wrapping.lines(of: line)
            lines.append(parts.joined(separator: end))
        }
        let text = lines.joined(separator: end)
        try budget.spend(bytes: text.utf8.count, line: line)
        return .string(text)
    }
}

// MARK: - HTML

extension Interpreter {
    private func escape(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        let text = try soft(value, "escape", arguments).text
        try budget.spend(bytes: text.utf8.count, line: line)
        if case .markup = value { return value }
        return .markup(text.escaped)
    }

    private func forceEscape(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        .markup(try soft(value, "forceescape", arguments).text.escaped)
    }

    private func safe(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        .markup(try soft(value, "safe", arguments).text)
    }

    private func withoutTags(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        var text = try soft(value, "striptags", arguments).text
        text = TextSearch(text).removing(from: "<!--", to: "-->")
        text = TextSearch(text).removing(from: "<", to: ">")
        text = text.unicodeScalars.split(whereSeparator: \.isPythonSpace).map { String($0) }.joined(separator: " ")
        guard !text.contains("&") else { throw unsupported("'striptags' is supported for text without '&'") }
        return .string(text)
    }

    private func urlEncoded(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        _ = try bind(arguments, of: "urlencode")
        let pairs: [Value]
        switch value {
        case .dictionary(let dictionary): pairs = dictionary.pairs
        case .list, .iterator, .undefined: pairs = try elements(of: value)
        default: return .string(try text(of: value).percentEncoded(keeping: "/"))
        }
        var parts: [String] = []
        for pair in pairs {
            let members = try elements(of: pair)
            guard members.count == 2 else { throw failure("'urlencode' wants pairs of a key and a value") }
            var sides: [String] = []
            for member in members { sides.append(try text(of: member).percentEncoded(keeping: "", spaces: "+")) }
            parts.append(sides.joined(separator: "="))
        }
        return .string(parts.joined(separator: "&"))
    }

    private func attributes(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        let leadsWithSpace = try bind(arguments, of: "xmlattr", "autospace")[0]?.isTrue ?? true
        guard case .dictionary(let dictionary) = value else { throw failure("'xmlattr' wants a mapping") }
        var parts: [String] = []
        for (key, value) in dictionary.members {
            if case .undefined = value { continue }
            if value.isNone { continue }
            let name = try requiredText(key, of: "xmlattr")
            guard !name.unicodeScalars.contains(where: { $0.isPythonSpace || "/>=".unicodeScalars.contains($0) }) else {
                throw failure("'xmlattr' wants names without spaces, '/', '>' and '='")
            }
            let text = try escape(value, CallArguments()).text ?? ""
            parts.append("\(name.escaped)=\"\(text)\"")
        }
        let text = parts.joined(separator: " ")
        return .string(leadsWithSpace && !text.isEmpty ? " " + text : text)
    }
}

extension TextSearch {
    /// The text without what stands between two marks, as long as both are there.
    fileprivate func removing(from opening: String, to closing: String) -> String {
        var result: [UInt8] = []
        var position = 0
        while let start = firstRange(of: opening, from: position),
            let end = firstRange(of: closing, from: start.upperBound)
        {
            result += bytes[position..<start.lowerBound]
            position = end.upperBound
        }
        return String(decoding: result + bytes[position...], as: UTF8.self)
    }
}

extension String {
    /// The text for a URL, as Python's `quote`.
    fileprivate func percentEncoded(keeping kept: String, spaces: String? = nil) -> String {
        let safe = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~".utf8).union(kept.utf8)
        var result = ""
        for byte in utf8 {
            if safe.contains(byte) {
                result.unicodeScalars.append(Unicode.Scalar(byte))
            } else if let spaces, byte == 0x20 {
                result += spaces
            } else {
                result += "%" + byte.hexadecimal(width: 2, uppercase: true)
            }
        }
        return result
    }
}

extension Unicode.Scalar {
    /// What `\w` of Python's `re` matches.
    var isWordCharacter: Bool { self == "_" || ScalarClass(self) == .letter || properties.numericType != nil }
}
