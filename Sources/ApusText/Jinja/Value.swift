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
    case list(List)
    case dictionary(Dictionary)
    case namespace(Namespace)
    case loop(LoopState)
    case macro(MacroDefinition)

    /// A list with how deep it nests, which is limited: values are walked recursively.
    struct List {
        var items: [Value]
        let depth: Int
        /// Tuples differ from lists only in how they are printed.
        let isTuple: Bool

        init(_ items: [Value], isTuple: Bool = false) {
            self.items = items
            self.isTuple = isTuple
            depth = 1 + (items.lazy.map(\.depth).max() ?? 0)
        }
    }

    /// A mapping in order of insertion. Templates see a handful of keys, so that a list serves.
    struct Dictionary {
        typealias Member = (key: String, value: Value)

        private(set) var members: [Member] = []
        private(set) var depth = 1

        subscript(key: String) -> Value? {
            members.first { $0.key.hasSameScalars(as: key) }?.value
        }

        mutating func set(_ key: String, to value: Value) {
            depth = max(depth, 1 + value.depth)
            if let index = members.firstIndex(where: { $0.key.hasSameScalars(as: key) }) {
                members[index].value = value
            } else {
                members.append((key, value))
            }
        }
    }

    /// The one thing that a template can change: attributes that outlive the scope in which they are set.
    final class Namespace {
        var attributes = Dictionary()
    }

    /// The variable `loop` inside of a loop.
    struct LoopState {
        var items: [Value]
        var index: Int
    }

    /// How deep lists and mappings nest.
    var depth: Int {
        switch self {
        case .list(let list): list.depth
        case .dictionary(let dictionary): dictionary.depth
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
        case .string(let value): !value.isEmpty
        case .list(let list): !list.items.isEmpty
        case .dictionary(let dictionary): !dictionary.members.isEmpty
        case .namespace, .loop, .macro: true
        }
    }

    /// What errors call a value of this kind.
    var kind: String {
        switch self {
        case .undefined(let name): "undefined '\(name)'"
        case .none: "none"
        case .bool: "a truth value"
        case .integer, .bigInteger, .number: "a number"
        case .string: "a string"
        case .list: "a list"
        case .dictionary: "a mapping"
        case .namespace: "a namespace"
        case .loop: "the loop"
        case .macro: "a macro"
        }
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
        case .array(let elements): self = .list(List(elements.map(Value.init)))
        case .object(let members):
            var dictionary = Dictionary()
            for member in members { dictionary.set(member.key, to: Value(member.value)) }
            self = .dictionary(dictionary)
        }
    }
}

extension String {
    /// Equality as Python has it, scalar by scalar: Swift's own takes "é" for "e" with an accent.
    func hasSameScalars(as other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}
