extension Interpreter {
    func evaluate(_ arguments: Arguments) throws(TextError) -> CallArguments {
        var result = CallArguments(positional: try evaluate(arguments.positional))
        for argument in arguments.named { result.named.append((argument.name, try evaluate(argument.value))) }
        if let list = arguments.positionalList { result.positional += try elements(of: try evaluate(list)) }
        guard let expression = arguments.namedMapping else { return result }
        let mapping = try evaluate(expression)
        guard case .dictionary(let dictionary) = mapping else {
            throw failure("wanted a mapping behind '**', found \(mapping.kind)")
        }
        for (key, value) in dictionary.members {
            guard let name = key.text else { throw failure("wanted names as keys behind '**', found \(key.kind)") }
            guard result[name] == nil else { throw failure("the argument '\(name)' is given twice") }
            result.named.append((name, value))
        }
        return result
    }

    func call(_ callee: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        switch callee {
        case .function(.global(let name)):
            guard let function = Self.globalFunctions[name] else { throw failure("there is no function '\(name)'") }
            return try function(self)(arguments)
        case .function(.method(let receiver, let name)): return try callMethod(name, of: receiver, arguments)
        case .function(.macro(let macro)): return .string(try call(macro, arguments))
        case .function(.block(let name)):
            _ = try bind(arguments, of: name, 0...0)
            return .string(try renderBlock(name))
        case .loop(let loop):
            return try recur(loop, over: try bind(arguments, of: "loop", "iterable", required: 1)[0] ?? .none)
        case .joiner(let joiner):
            _ = try bind(arguments, of: "joiner", 0...0)
            defer { joiner.wasUsed = true }
            return joiner.wasUsed ? joiner.separator : .string("")
        default: throw failure("\(callee.kind) cannot be called")
        }
    }
}

// MARK: - Macros

extension Interpreter {
    func closure(_ definition: MacroDefinition) -> Value.Macro {
        closedOver.append(scope)
        return Value.Macro(definition: definition, scope: scope)
    }

    /// `{% call %}`: the macro is called with the block as its `caller`.
    func execute(_ call: Expression, caller: MacroDefinition) throws(TextError) {
        guard case .call(let callee, let arguments) = call.kind else {
            throw failure("'call' wants the call of a macro")
        }
        let function = try evaluate(callee)
        var values = try evaluate(arguments)
        guard values["caller"] == nil else { throw failure("'caller' is given twice") }
        values.named.append(("caller", .function(.macro(closure(caller)))))
        try writeText(try self.call(function, values), from: "call")
    }

    private func call(_ macro: Value.Macro, _ arguments: CallArguments) throws(TextError) -> String {
        let definition = macro.definition
        var rest = arguments
        let given = rest.positional.prefix(definition.parameters.count)
        rest.positional.removeFirst(given.count)
        var named: [Value?] = []
        for parameter in definition.parameters.dropFirst(given.count) { named.append(rest.remove(parameter.name)) }
        let variables = try surplus(&rest, of: definition)
        return try inScope(of: macro.scope, with: variables) { () throws(TextError) in
            for (parameter, value) in zip(definition.parameters, given.map(Optional.some) + named) {
                var value = value
                if value == nil, let standard = parameter.standard { value = try evaluate(standard) }
                scope.variables[parameter.name] = value ?? .undefined(parameter.name)
            }
            return try capture(definition.body)
        }
    }

    /// `varargs`, `kwargs` and `caller` where the macro reads them; an error where it does not and there are such.
    private func surplus(
        _ rest: inout CallArguments, of macro: MacroDefinition
    ) throws(TextError) -> [String: Value] {
        var variables: [String: Value] = [:]
        let hasCaller = macro.parameters.contains { $0.name == "caller" }
        if macro.names.contains("caller"), !hasCaller {
            variables["caller"] = rest.remove("caller") ?? .undefined("caller")
        }
        if macro.names.contains("kwargs") {
            guard rest["caller"] == nil else { throw failure("macro '\(macro.name)' does not use its caller") }
            variables["kwargs"] = try makeDictionary(rest.named.map { (key: .string($0.name), value: $0.value) })
        } else if let name = rest.named.first?.name {
            throw failure("macro '\(macro.name)' has no parameter '\(name)'")
        }
        if macro.names.contains("varargs") {
            variables["varargs"] = try makeList(rest.positional, .tuple)
        } else if !rest.positional.isEmpty {
            let count = macro.parameters.count
            throw failure("macro '\(macro.name)' takes \(count) arguments, not \(count + rest.positional.count)")
        }
        return variables
    }
}
