internal import Foundation

/// The values that a call passes.
struct CallArguments {
    var positional: [Value] = []
    var named: [String: Value] = [:]

    /// An argument by its place or its name.
    func value(_ index: Int, _ name: String) -> Value? {
        positional.indices.contains(index) ? positional[index] : named[name]
    }
}

extension Interpreter {
    /// Calls a method, a macro or one of the functions that every template knows.
    mutating func call(_ callee: Expression, _ arguments: CallArguments) throws(TextError) -> Value {
        switch callee.kind {
        case .attribute(let operand, let name):
            let receiver = try evaluate(operand)
            return try callMethod(name, of: receiver, arguments)
        case .name(let name):
            switch lookUp(name) {
            case .macro(let macro): return try call(macro, arguments)
            case .undefined: return try callFunction(name, arguments)
            case let value: throw failure("'\(name)' is \(value.kind) and cannot be called")
            }
        default: throw failure("only methods, macros and functions can be called")
        }
    }

    private mutating func call(_ macro: MacroDefinition, _ arguments: CallArguments) throws(TextError) -> Value {
        guard arguments.positional.count <= macro.parameters.count else {
            throw failure(
                "macro '\(macro.name)' takes \(macro.parameters.count) arguments, not \(arguments.positional.count)")
        }
        if let name = arguments.named.keys.first(where: { name in !macro.parameters.contains { $0.name == name } }) {
            throw failure("macro '\(macro.name)' has no parameter '\(name)'")
        }
        let callers = scopes
        scopes = [callers[0], [:]]
        for (index, parameter) in macro.parameters.enumerated() {
            let standard = try parameter.standard.map { expression throws(TextError) in try evaluate(expression) }
            scopes[1][parameter.name] =
                arguments.value(index, parameter.name) ?? standard ?? .undefined(parameter.name)
        }
        let text = try capture(macro.body)
        scopes = callers
        return .string(text)
    }

    private mutating func callFunction(_ name: String, _ arguments: CallArguments) throws(TextError) -> Value {
        switch name {
        case "range": return try range(arguments)
        case "namespace":
            let namespace = Value.Namespace()
            for (key, value) in try members(arguments) { namespace.attributes.set(key, to: value) }
            return .namespace(namespace)
        case "dict":
            var dictionary = Value.Dictionary()
            for (key, value) in try members(arguments) { dictionary.set(key, to: value) }
            return .dictionary(dictionary)
        case "raise_exception":
            let message = try text(of: arguments.value(0, "message") ?? .none)
            throw TextError(
                code: .templateRaised, message: message.split(whereSeparator: \.isNewline).joined(separator: " "),
                line: line)
        case "strftime_now":
            guard case .string(let format)? = arguments.value(0, "format") else {
                throw failure("'strftime_now' wants a format")
            }
            return .string(CalendarTime(date, in: .current).formatted(format))
        default:
            throw failure(
                "'\(name)' is undefined and cannot be called; known are range, namespace, dict, raise_exception, "
                    + "strftime_now")
        }
    }

    /// Named arguments behind the members of a mapping.
    private func members(_ arguments: CallArguments) throws(TextError) -> [Value.Dictionary.Member] {
        var members: [Value.Dictionary.Member] = []
        if case .dictionary(let dictionary)? = arguments.positional.first { members = dictionary.members }
        members += arguments.named.map { (key: $0.key, value: $0.value) }.sorted { $0.key < $1.key }
        for member in members { try checkElement(member.value) }
        return members
    }

    private mutating func range(_ arguments: CallArguments) throws(TextError) -> Value {
        var bounds: [Int] = []
        for value in arguments.positional {
            guard let bound = value.wholeNumber else {
                throw failure("'range' wants whole numbers, found \(value.kind)")
            }
            bounds.append(bound)
        }
        guard (1...3).contains(bounds.count) else { throw failure("'range' wants one to three numbers") }
        if bounds.count == 1 { bounds.insert(0, at: 0) }
        let step = bounds.count == 3 ? bounds[2] : 1
        guard step != 0 else { throw failure("the step of 'range' cannot be 0") }
        var items: [Value] = []
        for value in stride(from: bounds[0], to: bounds[1], by: step) {
            try budget.spend(bytes: 64, line: line)
            items.append(.integer(value))
        }
        return .list(Value.List(items))
    }
}
