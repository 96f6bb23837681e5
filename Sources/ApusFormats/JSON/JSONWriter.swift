/// One level of a JSON document, for the writer.
public enum JSONNode<Tree> {
    /// `null`.
    case null
    /// `true` or `false`.
    case bool(Bool)
    /// A number as it is written.
    case number(String)
    /// Text.
    case string(String)
    /// The elements of an array.
    case array([Tree])
    /// The members of an object in their order.
    case object([(key: String, value: Tree)])
}

/// A type of trees that is written as JSON.
public protocol JSONWritable {
    /// The uppermost node.
    var json: JSONNode<Self> { get }
}

/// Writes trees as Python's `json.dumps(value, ensure_ascii=False)` does, byte for byte: templates print tool
/// definitions this way and models were trained on that spelling.
public struct JSONWriter {
    /// Spaces a level; nil writes everything on one line.
    public var indent: Int?
    /// What stands between elements; nil is Python's default.
    public var itemSeparator: String?
    /// What stands between a key and its value.
    public var keySeparator: String
    /// Whether characters outside ASCII are written as `\u` escapes.
    public var escapesNonASCII: Bool
    /// Whether keys are written in order of their scalars.
    public var sortsKeys: Bool
    /// Whether numbers that JSON has no spelling for are written as Python does (`NaN`); else they are null.
    public var writesNonFinite = true

    /// A writer with Python's defaults; `indent` breaks lines as `json.dumps(indent:)` does.
    public init(
        indent: Int? = nil, itemSeparator: String? = nil, keySeparator: String = ": ", escapesNonASCII: Bool = false,
        sortsKeys: Bool = false
    ) {
        self.indent = indent
        self.itemSeparator = itemSeparator
        self.keySeparator = keySeparator
        self.escapesNonASCII = escapesNonASCII
        self.sortsKeys = sortsKeys
    }

    /// Everything on one line and without spaces, in an order of keys that is the same in every run.
    public static var compact: JSONWriter {
        var writer = JSONWriter(itemSeparator: ",", keySeparator: ":", sortsKeys: true)
        writer.writesNonFinite = false
        return writer
    }

    /// Everything on one line and without spaces, keys in their own order, for readers who see that order.
    public static var ordered: JSONWriter {
        var writer = compact
        writer.sortsKeys = false
        return writer
    }

    /// The text of a tree.
    public func write(_ tree: some JSONWritable) -> String {
        var text = ""
        append(tree, level: 0, to: &text)
        return text
    }

    private func append(_ tree: some JSONWritable, level: Int, to text: inout String) {
        switch tree.json {
        case .null: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .number(let spelling): text += writesNonFinite || Self.isFinite(spelling) ? spelling : "null"
        case .string(let value): append(value, to: &text)
        case .array(let elements):
            appendItems(elements, brackets: ("[", "]"), level: level, to: &text) { element, text in
                append(element, level: level + 1, to: &text)
            }
        case .object(let members):
            let ordered = sortsKeys ? members.sorted { Self.precedes($0.key, $1.key) } : members
            appendItems(ordered, brackets: ("{", "}"), level: level, to: &text) { member, text in
                append(member.key, to: &text)
                text += keySeparator
                append(member.value, level: level + 1, to: &text)
            }
        }
    }

    private func appendItems<Item>(
        _ items: [Item], brackets: (String, String), level: Int, to text: inout String,
        each: (Item, inout String) -> Void
    ) {
        text += brackets.0
        let separator = itemSeparator ?? (indent == nil ? ", " : ",")
        for (index, item) in items.enumerated() {
            if index > 0 { text += separator }
            breakLine(level: level + 1, in: &text)
            each(item, &text)
        }
        if !items.isEmpty { breakLine(level: level, in: &text) }
        text += brackets.1
    }

    private func breakLine(level: Int, in text: inout String) {
        guard let indent else { return }
        text += "\n" + String(repeating: " ", count: indent * level)
    }

    /// Text as a JSON string with its quotes; only what must be escaped is.
    public static func quoted(_ string: String) -> String {
        var text = ""
        JSONWriter().append(string, to: &text)
        return text
    }

    private func append(_ string: String, to text: inout String) {
        text += "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case "\u{08}": text += "\\b"
            case "\u{0C}": text += "\\f"
            case _ where scalar.value < 0x20 || (escapesNonASCII && scalar.value >= 0x7F):
                for unit in String(scalar).utf16 { text += Self.escape(unit) }
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }

    private static func isFinite(_ spelling: String) -> Bool {
        spelling.utf8.last.map { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 } ?? false
    }

    private static func escape(_ unit: UInt16) -> String {
        "\\u" + unit.hexadecimal(width: 4)
    }

    /// The order of Python's strings: by scalar.
    public static func precedes(_ left: String, _ right: String) -> Bool {
        left.utf8.lexicographicallyPrecedes(right.utf8)
    }

    /// A fraction as Python prints it: shortest digits, an exponent of at least two digits outside 1e-4 ..< 1e16.
    public static func describe(_ value: Double) -> String {
        guard value.isFinite else { return value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity" }
        let text = value.description
        guard let mark = text.firstIndex(of: "e") else { return text }
        let mantissa = text[..<mark].hasSuffix(".0") ? text[..<mark].dropLast(2) : text[..<mark]
        let exponent = Int(text[text.index(after: mark)...]) ?? 0
        let digits = String(abs(exponent))
        return "\(mantissa)e\(exponent < 0 ? "-" : "+")\(digits.count < 2 ? "0" : "")\(digits)"
    }
}

extension FixedWidthInteger {
    /// The number in hexadecimal digits, with zeros in front up to a width.
    package func hexadecimal(width: Int, uppercase: Bool = false) -> String {
        let digits = String(self, radix: 16, uppercase: uppercase)
        return String(repeating: "0", count: Swift.max(width - digits.utf8.count, 0)) + digits
    }
}
