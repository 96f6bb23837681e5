/// The values that a call passes.
struct CallArguments {
    var positional: [Value] = []
    /// In the order of the call.
    var named: [(name: String, value: Value)] = []

    subscript(name: String) -> Value? { named.first { $0.name == name }?.value }

    /// Takes an argument away that was given by name.
    mutating func remove(_ name: String) -> Value? {
        guard let index = named.firstIndex(where: { $0.name == name }) else { return nil }
        return named.remove(at: index).value
    }
}

extension Interpreter {
    /// The arguments of a call in the order of the parameters; nil where none was given, or Python's default is asked for.
    func bind(
        _ arguments: CallArguments, of name: String, _ parameters: String..., required: Int = 0
    ) throws(TextError) -> [Value?] {
        guard arguments.positional.count <= parameters.count else {
            throw failure("'\(name)' takes at most \(parameters.count) arguments, not \(arguments.positional.count)")
        }
        var values: [Value?] = arguments.positional
        values += Array(repeating: nil, count: parameters.count - values.count)
        for (argument, value) in arguments.named {
            guard let index = parameters.firstIndex(of: argument) else {
                throw failure("'\(name)' has no argument '\(argument)'")
            }
            guard index >= arguments.positional.count else { throw failure("'\(name)' is given '\(argument)' twice") }
            values[index] = value
        }
        if let missing = values.prefix(required).firstIndex(where: { $0 == nil }) {
            throw failure("'\(name)' wants an argument '\(parameters[missing])'")
        }
        return values
    }

    /// The arguments of a method that takes none by name, as most of Python's.
    func bind(
        _ arguments: CallArguments, of name: String, _ counts: ClosedRange<Int>
    ) throws(TextError) -> [Value?] {
        guard arguments.named.isEmpty else { throw failure("'\(name)' takes no arguments by name") }
        guard counts.contains(arguments.positional.count) else {
            throw failure(
                "'\(name)' takes \(counts.lowerBound) to \(counts.upperBound) arguments, "
                    + "not \(arguments.positional.count)")
        }
        return arguments.positional + Array(repeating: nil, count: counts.upperBound - arguments.positional.count)
    }

    /// The text of an argument; nil where it is not given or none.
    func optionalText(_ value: Value?) throws(TextError) -> String? {
        switch value {
        case nil, Value.none?: return nil
        case .string(let text)?, .markup(let text)?: return text
        case let value?: throw failure("wanted a string, found \(value.kind)")
        }
    }

    func requiredText(_ value: Value?, of name: String) throws(TextError) -> String {
        guard let text = value?.text else {
            throw failure("'\(name)' wants a string, found \(value?.kind ?? "nothing")")
        }
        return text
    }

    /// An argument that Python takes as a number, where 0 says no.
    func flag(_ value: Value?, of name: String) throws(TextError) -> Bool {
        try optionalNumber(value, of: name) ?? 0 != 0
    }

    func optionalNumber(_ value: Value?, of name: String) throws(TextError) -> Int? {
        guard let value else { return nil }
        if let number = value.wholeNumber { return number }
        // Some of Python's functions take numbers with a fraction, and most do not.
        if case .number = value { throw unsupported("'\(name)' is supported with whole numbers") }
        throw failure("'\(name)' wants a whole number, found \(value.kind)")
    }
}
