import ApusFormats

/// What an expression of a template evaluates to.
enum Value {
    /// Nothing was there; the string is what it was called. It prints as nothing and is false, but has no attributes.
    case undefined(String)
    case none
    case bool(Bool)
    case integer(Int)
    case bigInteger(BigInteger)
    case number(Double)
    case string(String)
    /// Text that counts as escaped for HTML (MarkupSafe's): what is added to it is escaped.
    case markup(String)
    case list(List)
    case dictionary(Dictionary)
    case iterator(Iterator)
    case namespace(Namespace)
    case loop(LoopState)
    case function(Function)
    case cycler(Cycler)
    case joiner(Joiner)

    static func list(_ items: [Value]) -> Value { .list(List(items)) }

    static func tuple(_ items: [Value]) -> Value { .list(List(items, .tuple)) }

    /// How deep lists and mappings nest.
    var depth: Int {
        switch self {
        case .list(let list): list.depth
        case .dictionary(let dictionary): dictionary.depth
        case .iterator(let iterator): iterator.depth
        default: 0
        }
    }

    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .bool(let value): value
        case .integer(let value): value != 0
        case .bigInteger(let value): value.nearest != 0
        case .number(let value): value != 0
        case .string(let value), .markup(let value): !value.isEmpty
        case .list(let list): !list.items.isEmpty
        case .dictionary(let dictionary): !dictionary.members.isEmpty
        case .loop(let loop): !loop.items.isEmpty
        case .iterator, .namespace, .function, .cycler, .joiner: true
        }
    }

    /// What errors call a value of this kind.
    var kind: String {
        switch self {
        case .undefined(let name): "undefined '\(name)'"
        case .none: "none"
        case .bool: "a truth value"
        case .integer, .bigInteger, .number: "a number"
        case .string, .markup: "a string"
        case .list(let list): list.kind.description
        case .dictionary: "a mapping"
        case .iterator(let iterator): "what '\(iterator.maker)' yields"
        case .namespace: "a namespace"
        case .loop: "the loop"
        case .function(let function): function.description
        case .cycler: "a cycler"
        case .joiner: "a joiner"
        }
    }

    /// A text, escaped or not.
    var text: String? {
        switch self {
        case .string(let text), .markup(let text): text
        default: nil
        }
    }

    /// A list or a mapping, which Python's sets and mappings do not take as a key.
    var isContainer: Bool {
        switch self {
        case .list(let list): if case .range = list.kind { false } else { true }
        case .dictionary: true
        default: false
        }
    }

    var isNone: Bool {
        if case .none = self { true } else { false }
    }

    /// A text that counts as escaped where this value does.
    func like(_ text: String) -> Value {
        if case .markup = self { .markup(text) } else { .string(text) }
    }

    /// A whole number, also from a truth value.
    var wholeNumber: Int? {
        switch self {
        case .integer(let value): value
        case .bool(let value): value ? 1 : 0
        default: nil
        }
    }

    var floatingNumber: Double? {
        switch self {
        case .number(let value): value
        case .bigInteger(let value): value.nearest
        default: wholeNumber.map(Double.init)
        }
    }
}

extension Value {
    /// What a template sees of the caller's data.
    init(_ value: JSONValue) {
        switch value {
        case .null: self = .none
        case .bool(let value): self = .bool(value)
        case .integer(let value): self = .integer(value)
        case .bigInteger(let value): self = .bigInteger(value)
        case .number(let value): self = .number(value)
        case .string(let value): self = .string(value)
        case .array(let elements): self = .list(elements.map(Value.init))
        case .object(let members):
            var dictionary = Dictionary()
            for member in members { dictionary.set(.string(member.key), to: Value(member.value)) }
            self = .dictionary(dictionary)
        }
    }
}

extension String {
    /// Equality as Python has it, scalar by scalar: Swift's own takes "é" for "e" with an accent.
    func hasSameScalars(as other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}
