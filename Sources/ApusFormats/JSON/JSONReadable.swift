/// A type of trees that JSON is read into.
public protocol JSONReadable {
    /// What an object is made of.
    associatedtype JSONMember

    /// The tree of `null`.
    static var jsonNull: Self { get }
    /// The tree of `true` or `false`.
    init(jsonWord: Bool)
    /// The tree of a number as it is written; nil for one that it cannot hold.
    init?(jsonNumber: String)
    /// The tree of a text.
    init(jsonText: String)
    /// The tree of an array.
    init(jsonElements: [Self])
    /// A member of an object.
    static func jsonMember(_ key: String, _ value: Self) -> JSONMember
    /// The tree of an object, its members in their order; equal keys come only from a lenient reader.
    init(jsonMembers: [JSONMember])
}

extension JSONReader {
    /// The one value that the bytes hold.
    ///
    /// - Throws: ``Failure`` where the bytes are not one document.
    public mutating func document<Tree: JSONReadable>() throws(Failure) -> Tree {
        let tree: Tree = try value()
        try end()
        return tree
    }

    /// One value of any kind.
    ///
    /// - Throws: ``Failure`` where no value stands.
    public mutating func value<Tree: JSONReadable>() throws(Failure) -> Tree {
        switch current {
        case UInt8(ascii: "{"):
            var members: [Tree.JSONMember] = []
            try beginObject()
            while let key = try nextKey() { members.append(Tree.jsonMember(key, try value())) }
            return Tree(jsonMembers: members)
        case UInt8(ascii: "["):
            var elements: [Tree] = []
            try beginArray()
            while try nextElement() { elements.append(try value()) }
            return Tree(jsonElements: elements)
        case UInt8(ascii: "\""): return Tree(jsonText: try string())
        case UInt8(ascii: "t"):
            try word("true")
            return Tree(jsonWord: true)
        case UInt8(ascii: "f"):
            try word("false")
            return Tree(jsonWord: false)
        case UInt8(ascii: "n"):
            try word("null")
            return Tree.jsonNull
        case UInt8(ascii: "-"), .some(UInt8(ascii: "0")...UInt8(ascii: "9")):
            let start = offset
            let text = try number()
            guard let tree = Tree(jsonNumber: text) else {
                throw Failure(offset: start, message: "wanted a number within range, found \(text.prefix(40))")
            }
            return tree
        default: throw failure("a value")
        }
    }

    /// Passes over one value of any kind.
    ///
    /// - Throws: ``Failure`` where no value stands.
    public mutating func skipValue() throws(Failure) {
        let _: Skipped = try value()
    }
}

/// What nobody asked for.
private struct Skipped: JSONReadable {
    static let jsonNull = Skipped()
    static func jsonMember(_ key: String, _ value: Skipped) {}
    init() {}
    init(jsonWord: Bool) {}
    init(jsonNumber: String) {}
    init(jsonText: String) {}
    init(jsonElements: [Skipped]) {}
    init(jsonMembers: [Void]) {}
}
