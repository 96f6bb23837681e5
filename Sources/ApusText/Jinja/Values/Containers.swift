import ApusFormats

extension Value {
    /// A row of values with how deep it nests, which is limited: values are walked recursively.
    struct List {
        /// What Python calls the row, which decides how it is printed and what it can do.
        enum Kind: Equatable, CustomStringConvertible {
            case list, tuple
            case range(start: Int, stop: Int, step: Int)
            /// The views of a mapping.
            case keys, values, items
            /// A key and its elements, as `groupby` makes them.
            case group

            var description: String {
                switch self {
                case .list: "a list"
                case .tuple, .group: "a tuple"
                case .range: "a range"
                case .keys, .values, .items: "a view of a mapping"
                }
            }

            var isTuple: Bool { self == .tuple || self == .group }

            var isView: Bool { self == .keys || self == .values || self == .items }
        }

        let items: [Value]
        let kind: Kind
        let depth: Int

        init(_ items: [Value], _ kind: Kind = .list) {
            self.items = items
            self.kind = kind
            depth = 1 + (items.lazy.map(\.depth).max() ?? 0)
        }
    }

    /// A mapping in order of insertion.
    struct Dictionary {
        typealias Member = (key: Value, value: Value)

        private(set) var members: [Member] = []
        private(set) var depth = 1
        private var positions: [Key: Int] = [:]

        subscript(key: Key) -> Value? { positions[key].map { members[$0].value } }

        subscript(name: String) -> Value? { self[.text(ScalarText(name))] }

        /// Sets a member; a key that cannot be one is not set, and the result says so.
        @discardableResult
        mutating func set(_ key: Value, to value: Value) -> Bool {
            guard let position = Key(key) else { return false }
            depth = max(depth, 1 + max(key.depth, value.depth))
            if let index = positions[position] {
                members[index].value = value
            } else {
                positions[position] = members.count
                members.append((key, value))
            }
            return true
        }
    }

    /// What identifies a member of a mapping: as in Python, 1, 1.0 and true are one key, and lists are none.
    enum Key: Hashable {
        case none, undefined
        case integer(Int)
        case bigInteger(BigInteger)
        case number(Double)
        case text(ScalarText)
        case tuple([Key])

        init?(_ value: Value) {
            switch value {
            case .none: self = .none
            case .undefined: self = .undefined
            case .bigInteger(let value): self = .bigInteger(value)
            case .number(let value): self = Int(exactly: value).map(Key.integer) ?? .number(value)
            case .list(let list) where list.kind.isTuple:
                let parts = list.items.compactMap(Key.init)
                guard parts.count == list.items.count else { return nil }
                self = .tuple(parts)
            default:
                if let text = value.text {
                    self = .text(ScalarText(text))
                } else if let whole = value.wholeNumber {
                    self = .integer(whole)
                } else {
                    return nil
                }
            }
        }
    }

    /// Text that is equal scalar by scalar.
    struct ScalarText: Hashable {
        private let text: String

        init(_ text: String) { self.text = text }

        static func == (left: ScalarText, right: ScalarText) -> Bool { left.text.hasSameScalars(as: right.text) }

        func hash(into hasher: inout Hasher) {
            for byte in text.utf8 { hasher.combine(byte) }
        }
    }
}
