/// What a method of a text makes of it.
typealias StringMethod = Builtin<String, Value>

extension Interpreter {
    /// The methods of Python's `str`.
    static let stringMethods: [String: StringMethod] =
        casingMethods.merging(searchMethods) { $1 }.merging(cuttingMethods) { $1 }.merging(fillingMethods) { $1 }

    private static let casingMethods: [String: StringMethod] = {
        var methods: [String: StringMethod] = ["casefold": caseFolded]
        for name in ["upper", "lower", "capitalize", "title", "swapcase"] { methods[name] = named(name, cased) }
        let questions = [
            "isalnum", "isalpha", "isascii", "isdecimal", "isdigit", "isidentifier", "islower", "isnumeric",
            "isprintable", "isspace", "istitle", "isupper",
        ]
        for name in questions { methods[name] = named(name, isMade) }
        for name in ["encode", "maketrans", "translate"] { methods[name] = named(name, refused) }
        return methods
    }()

    private static let searchMethods: [String: StringMethod] = [
        "startswith": named("startswith", matches),
        "endswith": named("endswith", matches),
        "count": count,
        "find": named("find", find),
        "rfind": named("rfind", find),
        "index": named("index", index),
        "rindex": named("rindex", index),
    ]

    private static let cuttingMethods: [String: StringMethod] = [
        "strip": named("strip", strip),
        "lstrip": named("lstrip", strip),
        "rstrip": named("rstrip", strip),
        "removeprefix": named("removeprefix", removeEnd),
        "removesuffix": named("removesuffix", removeEnd),
        "split": named("split", split),
        "rsplit": named("rsplit", split),
        "splitlines": splitLines,
        "partition": named("partition", partition),
        "rpartition": named("rpartition", partition),
    ]

    private static let fillingMethods: [String: StringMethod] = [
        "replace": replaceMethod,
        "join": joinMethod,
        "center": named("center", pad),
        "ljust": named("ljust", pad),
        "rjust": named("rjust", pad),
        "zfill": fillWithZeros,
        "expandtabs": expandTabs,
        "format": formatMethod,
        "format_map": formatMap,
    ]
}

// MARK: - Case

extension Interpreter {
    private func cased(_ text: String, _ name: String, _ arguments: CallArguments) throws(TextError) -> Value {
        _ = try bind(arguments, of: name, 0...0)
        return .string(text.cased(name))
    }

    private func isMade(_ text: String, _ name: String, _ arguments: CallArguments) throws(TextError) -> Value {
        _ = try bind(arguments, of: name, 0...0)
        return .bool(text.isMade(of: name))
    }

    private func caseFolded(_ text: String, _ arguments: CallArguments) throws(TextError) -> Value {
        _ = try bind(arguments, of: "casefold", 0...0)
        guard text.utf8.allSatisfy({ $0 < 0x80 }) else {
            throw unsupported("'casefold' is supported for ASCII only; use 'lower'")
        }
        return .string(text.cased("lower"))
    }
}

// MARK: - Searching

extension Interpreter {
    /// The part of a text that two arguments bound, and where it begins.
    private func bounded(
        _ text: String, _ start: Value?, _ stop: Value?, of name: String
    ) throws(TextError) -> (part: String, start: Int)? {
        let bounds = [start, stop].map { $0.flatMap { $0.isNone ? nil : $0 } }
        guard bounds.contains(where: { $0 != nil }) else { return (text, 0) }
        let scalars = Array(text.unicodeScalars)
        let first = try optionalNumber(bounds[0], of: name)
        let range = Self.bounds(first, try optionalNumber(bounds[1], of: name), scalars.count)
        // Behind the end there is nothing, not even an empty text.
        guard (first ?? 0) <= scalars.count else { return nil }
        var part = String.UnicodeScalarView()
        part.append(contentsOf: scalars[range])
        return (String(part), range.lowerBound)
    }

    /// `startswith` and `endswith` take one text or several.
    private func matches(_ text: String, _ name: String, _ arguments: CallArguments) throws(TextError) -> Value {
        let values = try bind(arguments, of: name, 1...3)
        var candidates = [values[0] ?? .none]
        if case .list(let list)? = values[0], list.kind.isTuple { candidates = list.items }
        guard let (part, _) = try bounded(text, values[1], values[2], of: name) else { return .bool(false) }
        for candidate in candidates {
            let wanted = try requiredText(candidate, of: name)
            if name == "startswith" ? part.startsScalarwise(with: wanted) : part.endsScalarwise(with: wanted) {
                return .bool(true)
            }
        }
        return .bool(false)
    }

    private func count(_ text: String, _ arguments: CallArguments) throws(TextError) -> Value {
        let values = try bind(arguments, of: "count", 1...3)
        let wanted = try requiredText(values[0], of: "count")
        guard let (part, _) = try bounded(text, values[1], values[2], of: "count") else { return .integer(0) }
        guard !wanted.isEmpty else { return .integer(part.unicodeScalars.count + 1) }
        return .integer(TextSearch(part).split(at: wanted).count - 1)
    }

    /// Where a text is found first, or last for `rfind` and `rindex`, counted in scalars.
    private func position(_ text: String, _ name: String, _ arguments: CallArguments) throws(TextError) -> Int? {
        let values = try bind(arguments, of: name, 1...3)
        let wanted = try requiredText(values[0], of: name)
        guard let (part, start) = try bounded(text, values[1], values[2], of: name) else { return nil }
        let search = TextSearch(part)
        let range = name.hasPrefix("r") ? search.lastRange(of: wanted) : search.firstRange(of: wanted)
        guard let range else { return nil }
        return start + String(decoding: search.bytes[..<range.lowerBound], as: UTF8.self).unicodeScalars.count
    }

    private func find(_ text: String, _ name: String, _ arguments: CallArguments) throws(TextError) -> Value {
        .integer(try position(text, name, arguments) ?? -1)
    }

    private func index(_ text: String, _ name: String, _ arguments: CallArguments) throws(TextError) -> Value {
        guard let position = try position(text, name, arguments) else {
            throw failure("'\(name)' looks for what the string does not have; 'find' gives -1 then")
        }
        return .integer(position)
    }
}

// MARK: - Cutting

extension Interpreter {
    private func strip(_ text: String, _ name: String, _ arguments: CallArguments) throws(TextError) -> Value {
        let set = try optionalText(try bind(arguments, of: name, 0...1)[0])
        return .string(text.stripped(of: set, left: name != "rstrip", right: name != "lstrip"))
    }

    private func removeEnd(_ text: String, _ name: String, _ arguments: CallArguments) throws(TextError) -> Value {
        let part = try requiredText(try bind(arguments, of: name, 1...1)[0], of: name)
        let count = part.unicodeScalars.count
        if name == "removeprefix" {
            return .string(text.startsScalarwise(with: part) ? String(text.unicodeScalars.dropFirst(count)) : text)
        }
        return .string(text.endsScalarwise(with: part) ? String(text.unicodeScalars.dropLast(count)) : text)
    }

    private func split(_ text: String, _ name: String, _ arguments: CallArguments) throws(TextError) -> Value {
        let values = try bind(arguments, of: name, "sep", "maxsplit")
        let given = try optionalNumber(values[1], of: name) ?? -1
        let limit = given < 0 ? Int.max : given
        let parts: [String]
        if let separator = try optionalText(values[0]) {
            guard !separator.isEmpty else { throw failure("'\(name)' wants a separator that is not empty") }
            let search = TextSearch(text)
            parts =
                name == "split"
                ? search.split(at: separator, limit: limit) : search.splitBack(at: separator, limit: limit)
        } else {
            parts = name == "split" ? text.words(limit: limit) : text.wordsFromEnd(limit: limit)
        }
        try budget.spend(bytes: 16 * parts.count, line: line)
        return .list(parts.map(Value.string))
    }

    private func splitLines(_ text: String, _ arguments: CallArguments) throws(TextError) -> Value {
        let keepsEnds = try flag(try bind(arguments, of: "splitlines", "keepends")[0], of: "splitlines")
        let lines = text.pythonLines(keepingEnds: keepsEnds)
        try budget.spend(bytes: 16 * lines.count, line: line)
        return .list(lines.map(Value.string))
    }

    private func partition(_ text: String, _ name: String, _ arguments: CallArguments) throws(TextError) -> Value {
        let separator = try requiredText(try bind(arguments, of: name, 1...1)[0], of: name)
        guard !separator.isEmpty else { throw failure("'\(name)' wants a separator that is not empty") }
        let search = TextSearch(text)
        let isFromEnd = name == "rpartition"
        guard let range = isFromEnd ? search.lastRange(of: separator) : search.firstRange(of: separator) else {
            return .tuple((isFromEnd ? ["", "", text] : [text, "", ""]).map(Value.string))
        }
        let head = String(decoding: search.bytes[..<range.lowerBound], as: UTF8.self)
        let tail = String(decoding: search.bytes[range.upperBound...], as: UTF8.self)
        return .tuple([head, separator, tail].map(Value.string))
    }
}

extension String {
    /// The parts between white space, at most `limit` cuts from the left.
    fileprivate func words(limit: Int) -> [String] {
        let scalars = unicodeScalars.drop(while: \.isPythonSpace)
        let parts = scalars.split(maxSplits: .max, whereSeparator: \.isPythonSpace)
        guard parts.count > limit else { return parts.map { String($0) } }
        guard limit > 0 else { return [String(scalars)] }
        let rest = scalars[parts[limit].startIndex...]
        return parts[..<limit].map { String($0) } + [String(rest)]
    }

    fileprivate func wordsFromEnd(limit: Int) -> [String] {
        let mirrored = String(String.UnicodeScalarView(unicodeScalars.reversed()))
        return mirrored.words(limit: limit).reversed().map {
            String(String.UnicodeScalarView($0.unicodeScalars.reversed()))
        }
    }
}

// MARK: - Filling

extension Interpreter {
    private func replaceMethod(_ text: String, _ arguments: CallArguments) throws(TextError) -> Value {
        let values = try bind(arguments, of: "replace", "old", "new", "count", required: 2)
        guard arguments.positional.count >= 2 else { throw failure("'replace' takes its texts without names") }
        let count = try optionalNumber(values[2], of: "replace") ?? -1
        let old = try requiredText(values[0], of: "replace")
        return .string(try replaced(text, old, by: try requiredText(values[1], of: "replace"), count: count))
    }

    func replaced(_ text: String, _ old: String, by new: String, count: Int) throws(TextError) -> String {
        let limit = count < 0 ? Int.max : count
        let parts: [String]
        if old.isEmpty {
            // Nothing stands before, between and behind all scalars.
            let scalars = text.unicodeScalars.map { String($0) }
            let cuts = min(limit, scalars.count + 1)
            guard cuts > 0 else { return text }
            parts = [""] + scalars.prefix(cuts - 1) + [scalars.dropFirst(cuts - 1).joined()]
        } else {
            parts = TextSearch(text).split(at: old, limit: limit)
        }
        let added = (parts.count - 1).multipliedReportingOverflow(by: new.utf8.count)
        try budget.spend(bytes: added.overflow ? .max : added.partialValue, line: line)
        return parts.joined(separator: new)
    }

    private func joinMethod(_ separator: String, _ arguments: CallArguments) throws(TextError) -> Value {
        let iterable = try bind(arguments, of: "join", 1...1)[0] ?? .none
        if case .undefined = iterable { return .string("") }
        var parts: [String] = []
        for item in try elements(of: iterable) {
            parts.append(try requiredText(item, of: "join"))
            try budget.spend(bytes: (parts.last?.utf8.count ?? 0) + separator.utf8.count, line: line)
        }
        return .string(parts.joined(separator: separator))
    }

    private func pad(_ text: String, _ name: String, _ arguments: CallArguments) throws(TextError) -> Value {
        let values = try bind(arguments, of: name, 1...2)
        let width = try optionalNumber(values[0], of: name) ?? 0
        let fill = try values[1].map { value throws(TextError) in try requiredText(value, of: name) } ?? " "
        guard fill.unicodeScalars.count == 1 else { throw failure("'\(name)' wants one character to fill with") }
        return .string(try padded(text, to: width, fill, name))
    }

    /// A text in a width; Python puts the odd space of a centred one at the left where the width is odd.
    func padded(_ text: String, to width: Int, _ fill: String, _ name: String) throws(TextError) -> String {
        let missing = max(width, 0) - text.unicodeScalars.count
        guard missing > 0 else { return text }
        try budget.spend(bytes: missing.multipliedReportingOverflow(by: 4).overflow ? .max : missing * 4, line: line)
        let left =
            switch name {
            case "ljust": 0
            case "rjust": missing
            default: missing / 2 + (missing & width & 1)
            }
        return String(repeating: fill, count: left) + text + String(repeating: fill, count: missing - left)
    }

    private func fillWithZeros(_ text: String, _ arguments: CallArguments) throws(TextError) -> Value {
        let width = try optionalNumber(try bind(arguments, of: "zfill", 1...1)[0], of: "zfill") ?? 0
        let hasSign = text.hasPrefix("+") || text.hasPrefix("-")
        let sign = hasSign ? String(text.unicodeScalars.prefix(1)) : ""
        let digits = hasSign ? String(text.unicodeScalars.dropFirst()) : text
        return .string(sign + (try padded(digits, to: width - sign.utf8.count, "0", "rjust")))
    }

    private func expandTabs(_ text: String, _ arguments: CallArguments) throws(TextError) -> Value {
        let size = try optionalNumber(try bind(arguments, of: "expandtabs", "tabsize")[0], of: "expandtabs") ?? 8
        var result = String.UnicodeScalarView()
        var column = 0
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\t":
                let count = size > 0 ? size - column % size : 0
                try budget.spend(bytes: count, line: line)
                result.append(contentsOf: String(repeating: " ", count: count).unicodeScalars)
                column += count
            default:
                result.append(scalar)
                column = scalar == "\n" || scalar == "\r" ? 0 : column + 1
            }
        }
        return .string(String(result))
    }

    private func formatMethod(_ text: String, _ arguments: CallArguments) throws(TextError) -> Value {
        .string(try formatted(text, arguments))
    }

    private func formatMap(_ text: String, _ arguments: CallArguments) throws(TextError) -> Value {
        guard case .dictionary(let dictionary)? = try bind(arguments, of: "format_map", 1...1)[0] else {
            throw failure("'format_map' wants a mapping")
        }
        var named: [(name: String, value: Value)] = []
        for (key, value) in dictionary.members {
            if let name = key.text { named.append((name, value)) }
        }
        return .string(try formatted(text, CallArguments(named: named)))
    }
}
