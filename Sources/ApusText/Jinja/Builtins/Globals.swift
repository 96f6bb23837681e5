internal import Foundation

/// A function that every template knows.
typealias GlobalFunction = @Sendable (Interpreter) -> (CallArguments) throws(TextError) -> Value

extension Interpreter {
    /// Jinja2's longest range in a sandbox.
    private static let maximumRange = 100_000

    static let globalFunctions: [String: GlobalFunction] = [
        "range": range,
        "dict": dictionary,
        "namespace": namespace,
        "cycler": cycler,
        "joiner": joiner,
        "raise_exception": raise,
        "strftime_now": now,
        "lipsum": randomText,
    ]

    private func range(_ arguments: CallArguments) throws(TextError) -> Value {
        var bounds: [Int] = []
        for value in try bind(arguments, of: "range", 1...3) {
            if let bound = try optionalNumber(value, of: "range") { bounds.append(bound) }
        }
        if bounds.count == 1 { bounds.insert(0, at: 0) }
        let step = bounds.count == 3 ? bounds[2] : 1
        guard step != 0 else { throw failure("the step of 'range' cannot be 0") }
        let values = stride(from: bounds[0], to: bounds[1], by: step).prefix(Self.maximumRange + 1)
        let count = values.reduce(0) { count, _ in count + 1 }
        guard count <= Self.maximumRange else { throw exceeded("a range is longer than \(Self.maximumRange)") }
        // Paid for before it is made.
        try budget.spend(bytes: 64 * count, line: line)
        let items = values.map { Value.integer($0) }
        return .list(Value.List(items, .range(start: bounds[0], stop: bounds[1], step: step)))
    }

    private func dictionary(_ arguments: CallArguments) throws(TextError) -> Value {
        .dictionary(try members("dict", arguments))
    }

    private func namespace(_ arguments: CallArguments) throws(TextError) -> Value {
        .namespace(Value.Namespace(try members("namespace", arguments)))
    }

    private func joiner(_ arguments: CallArguments) throws(TextError) -> Value {
        .joiner(Value.Joiner(try bind(arguments, of: "joiner", "sep")[0] ?? .string(", ")))
    }

    private func randomText(_ arguments: CallArguments) throws(TextError) -> Value {
        try refused(arguments, "lipsum", arguments)
    }

    /// A mapping from another, from pairs, and from named arguments.
    private func members(_ name: String, _ arguments: CallArguments) throws(TextError) -> Value.Dictionary {
        guard arguments.positional.count <= 1 else { throw failure("'\(name)' takes at most one mapping") }
        var members: [Value.Dictionary.Member] = []
        switch arguments.positional.first {
        case nil: break
        case .dictionary(let dictionary)?: members = dictionary.members
        case let pairs?:
            for pair in try elements(of: pairs) {
                let sides = try elements(of: pair)
                guard sides.count == 2 else { throw failure("'\(name)' wants pairs of a key and a value") }
                members.append((sides[0], sides[1]))
            }
        }
        members += arguments.named.map { (key: .string($0.name), value: $0.value) }
        guard case .dictionary(let dictionary) = try makeDictionary(members) else { return Value.Dictionary() }
        return dictionary
    }

    private func cycler(_ arguments: CallArguments) throws(TextError) -> Value {
        guard !arguments.positional.isEmpty, arguments.named.isEmpty else {
            throw failure("'cycler' wants values without names")
        }
        for value in arguments.positional { try checkElement(value) }
        return .cycler(Value.Cycler(arguments.positional))
    }

    private func raise(_ arguments: CallArguments) throws(TextError) -> Value {
        let message = try text(of: try bind(arguments, of: "raise_exception", "message", required: 1)[0] ?? .none)
        throw TextError(code: .templateRaised, message: message, line: line)
    }

    private func now(_ arguments: CallArguments) throws(TextError) -> Value {
        let format = try bind(arguments, of: "strftime_now", "format", required: 1)[0]
        return .string(CalendarTime(date, in: .current).formatted(try requiredText(format, of: "strftime_now")))
    }
}
