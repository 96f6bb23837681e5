extension Interpreter {
    /// What Python's object has under a name, apart from the members of a mapping; nil where it has nothing.
    func objectAttribute(_ name: String, of value: Value) throws(TextError) -> Value? {
        if let property = try property(name, of: value) { return property }
        return Self.hasMethod(name, value) ? .function(.method(value, name)) : nil
    }

    private func property(_ name: String, of value: Value) throws(TextError) -> Value? {
        switch value {
        case .namespace(let namespace): return namespace.attributes[name]
        case .loop(let loop): return loop[name]
        case .cycler(let cycler): return name == "current" ? cycler.current : nil
        case .joiner(let joiner):
            return name == "sep" ? joiner.separator : name == "used" ? .bool(joiner.wasUsed) : nil
        case .function(.macro(let macro)): return macro.definition[name]
        case .list(let list): return list[name]
        case .bool, .integer, .bigInteger: return integerProperty(name, of: value)
        case .number: return name == "real" ? value : name == "imag" ? .number(0) : nil
        default: return nil
        }
    }

    private func integerProperty(_ name: String, of value: Value) -> Value? {
        switch name {
        case "real", "numerator": value.wholeNumber.map(Value.integer) ?? value
        case "imag": .integer(0)
        case "denominator": .integer(1)
        default: nil
        }
    }
}

extension Value.LoopState {
    /// The attributes of `loop`.
    fileprivate subscript(name: String) -> Value? {
        switch name {
        case "index": .integer(index + 1)
        case "index0": .integer(index)
        case "revindex": .integer(items.count - index)
        case "revindex0": .integer(items.count - index - 1)
        case "first": .bool(index == 0)
        case "last": .bool(index == items.count - 1)
        case "length": .integer(items.count)
        case "depth": .integer(depth + 1)
        case "depth0": .integer(depth)
        case "previtem": index > 0 ? items[index - 1] : .undefined("there is no previous item")
        case "nextitem": index + 1 < items.count ? items[index + 1] : .undefined("there is no next item")
        default: nil
        }
    }
}

extension MacroDefinition {
    fileprivate subscript(attribute: String) -> Value? {
        switch attribute {
        case "name": name == "caller" ? Value.none : .string(name)
        case "arguments": .tuple(parameters.map { .string($0.name) })
        case "catch_kwargs": .bool(names.contains("kwargs"))
        case "catch_varargs": .bool(names.contains("varargs"))
        case "caller": .bool(names.contains("caller"))
        default: nil
        }
    }
}

extension Value.List {
    fileprivate subscript(name: String) -> Value? {
        switch (kind, name) {
        case (.range(let start, _, _), "start"): .integer(start)
        case (.range(_, let stop, _), "stop"): .integer(stop)
        case (.range(_, _, let step), "step"): .integer(step)
        case (.group, "grouper"): items[0]
        case (.group, "list"): items[1]
        default: nil
        }
    }
}
