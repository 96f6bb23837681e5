/// Values with an identity: what changes while a template runs, and what can be called.
extension Value {
    /// Elements that are made when they are asked for, and can be walked once: Python's generators.
    final class Iterator {
        /// The filter that yields them, for errors.
        let maker: String
        /// No element nests deeper.
        let depth: Int
        private var make: (() throws(TextError) -> [Value])?
        private var items: ArraySlice<Value> = []

        init(from maker: String, depth: Int, _ make: @escaping () throws(TextError) -> [Value]) {
            self.maker = maker
            self.depth = depth
            self.make = make
        }

        private func prepare() throws(TextError) {
            guard let make else { return }
            self.make = nil
            items = try make()[...]
        }

        /// What has not been walked yet; nothing is left behind.
        func remaining() throws(TextError) -> [Value] {
            try prepare()
            defer { items = [] }
            return Array(items)
        }

        func next() throws(TextError) -> Value? {
            try prepare()
            return items.popFirst()
        }
    }

    /// The one thing that a template can change: attributes that outlive the scope in which they are set.
    final class Namespace {
        var attributes: Dictionary

        init(_ attributes: Dictionary) { self.attributes = attributes }
    }

    /// The variable `loop` inside of a loop.
    final class LoopState {
        let items: [Value]
        let depth: Int
        /// What the loop runs when it is called with the elements of the next level; nil unless it is recursive.
        let recursion: (loop: Statement.Loop, scope: Scope)?
        var index = 0
        var lastChecked: [Value]?

        init(items: [Value], depth: Int, recursion: (loop: Statement.Loop, scope: Scope)?) {
            self.items = items
            self.depth = depth
            self.recursion = recursion
        }
    }

    /// Values in turn, from the first again behind the last.
    final class Cycler {
        let items: [Value]
        var position = 0

        init(_ items: [Value]) { self.items = items }

        var current: Value { items[position] }
    }

    /// A separator that is nothing when it is asked for the first time.
    final class Joiner {
        let separator: Value
        var wasUsed = false

        init(_ separator: Value) { self.separator = separator }
    }

    /// What can be called.
    indirect enum Function: CustomStringConvertible {
        /// A function that every template knows.
        case global(String)
        case method(Value, String)
        case macro(Macro)
        /// A block of the template, through `self`.
        case block(String)

        var description: String {
            switch self {
            case .global(let name): "the function '\(name)'"
            case .method(_, let name): "the method '\(name)'"
            case .macro: "a macro"
            case .block(let name): "the block '\(name)'"
            }
        }
    }

    /// A macro with the variables that it sees.
    struct Macro {
        let definition: MacroDefinition
        let scope: Scope
    }
}

/// The variables of a part of a template, and of all around it.
final class Scope {
    var variables: [String: Value]
    let parent: Scope?

    init(_ variables: [String: Value] = [:], in parent: Scope?) {
        self.variables = variables
        self.parent = parent
    }

    subscript(name: String) -> Value? {
        var scope: Scope? = self
        while let current = scope {
            if let value = current.variables[name] { return value }
            scope = current.parent
        }
        return nil
    }
}
