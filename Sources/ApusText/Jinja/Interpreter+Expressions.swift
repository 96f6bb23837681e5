extension Interpreter {
    mutating func evaluate(_ expression: Expression) throws(TextError) -> Value {
        line = expression.line
        try budget.spend(steps: 1, line: line)
        try budget.enter(line: line)
        let value = try evaluate(expression.kind)
        budget.leave()
        return value
    }

    private mutating func evaluate(_ expression: Expression.Kind) throws(TextError) -> Value {
        switch expression {
        case .literal(let value): return Value(value)
        case .name(let name): return lookUp(name)
        case .list(let elements): return try makeList(try evaluate(elements))
        case .tuple(let elements): return try makeList(try evaluate(elements), isTuple: true)
        case .dictionary(let members): return try evaluateDictionary(members)
        case .attribute(let operand, let name): return try attribute(name, of: try evaluate(operand))
        case .item(let operand, let index): return try item(try evaluate(index), of: operand)
        case .slice(let operand, let start, let stop, let step):
            return try slice(try evaluate(operand), start: start, stop: stop, step: step)
        case .call(let callee, let arguments): return try call(callee, try evaluate(arguments))
        case .filter(let operand, let name, let arguments):
            let value = try evaluate(operand)
            return try apply(name, to: value, try evaluate(arguments))
        case .test(let operand, let name, let arguments):
            let value = try evaluate(operand)
            return .bool(try test(name, value, try evaluate(arguments).positional))
        case .not(let operand): return .bool(!(try evaluate(operand).isTrue))
        case .negative(let operand): return try negate(try evaluate(operand))
        case .conditional(let condition, let then, let otherwise):
            if try evaluate(condition).isTrue { return try evaluate(then) }
            guard let otherwise else { return .undefined("the value of an 'if' without 'else'") }
            return try evaluate(otherwise)
        default: return try evaluateOperator(expression)
        }
    }

    private mutating func evaluateOperator(_ expression: Expression.Kind) throws(TextError) -> Value {
        switch expression {
        case .binary(let sign, let left, let right):
            let first = try evaluate(left)
            return try combine(first, sign, try evaluate(right))
        case .and(let left, let right):
            let first = try evaluate(left)
            return first.isTrue ? try evaluate(right) : first
        case .or(let left, let right):
            let first = try evaluate(left)
            return first.isTrue ? first : try evaluate(right)
        case .comparison(let first, let rest):
            var left = try evaluate(first)
            for step in rest {
                let right = try evaluate(step.operand)
                guard try compare(left, step.sign, right) else { return .bool(false) }
                left = right
            }
            return .bool(true)
        default: preconditionFailure("every expression is evaluated here or by the caller")
        }
    }

    private mutating func evaluate(_ expressions: [Expression]) throws(TextError) -> [Value] {
        var values: [Value] = []
        for expression in expressions { values.append(try evaluate(expression)) }
        return values
    }

    mutating func evaluate(_ arguments: Arguments) throws(TextError) -> CallArguments {
        var result = CallArguments(positional: try evaluate(arguments.positional))
        for argument in arguments.named { result.named[argument.name] = try evaluate(argument.value) }
        return result
    }

    private mutating func evaluateDictionary(
        _ members: [(key: Expression, value: Expression)]
    ) throws(TextError) -> Value {
        var dictionary = Value.Dictionary()
        for member in members {
            guard case .string(let key) = try evaluate(member.key) else {
                throw failure("only strings are supported as keys of a mapping")
            }
            let value = try evaluate(member.value)
            try checkElement(value)
            dictionary.set(key, to: value)
        }
        return .dictionary(dictionary)
    }
}

// MARK: - Parts of values

extension Interpreter {
    func attribute(_ name: String, of value: Value) throws(TextError) -> Value {
        switch value {
        case .undefined: throw failure("\(value.kind) has no attribute '\(name)'; test it with 'is defined' first")
        case .dictionary(let dictionary): return dictionary[name] ?? .undefined(name)
        case .namespace(let namespace): return namespace.attributes[name] ?? .undefined(name)
        case .loop(let loop): return loop[name] ?? .undefined("loop.\(name)")
        default: return .undefined(name)
        }
    }

    private mutating func item(_ index: Value, of operand: Expression) throws(TextError) -> Value {
        let value = try evaluate(operand)
        switch (value, index) {
        case (_, .string(let name)): return try attribute(name, of: value)
        case (.undefined, _): throw failure("\(value.kind) has no elements; test it with 'is defined' first")
        case (.list(let list), _):
            guard let index = index.wholeNumber else { break }
            let position = index < 0 ? index + list.items.count : index
            return list.items.indices.contains(position) ? list.items[position] : .undefined("element \(index)")
        case (.string(let text), _):
            guard let index = index.wholeNumber else { break }
            try budget.spend(bytes: text.utf8.count, line: line)
            let scalars = Array(text.unicodeScalars)
            let position = index < 0 ? index + scalars.count : index
            return scalars.indices.contains(position)
                ? .string(String(scalars[position])) : .undefined("character \(index)")
        default: break
        }
        return .undefined("an element of \(value.kind)")
    }

    private mutating func slice(
        _ value: Value, start: Expression?, stop: Expression?, step: Expression?
    ) throws(TextError) -> Value {
        let start = try bound(start)
        let stop = try bound(stop)
        let step = try bound(step) ?? 1
        guard step != 0 else { throw failure("the step of a slice cannot be 0") }
        switch value {
        case .list(let list):
            try budget.spend(steps: list.items.count / 16, line: line)
            let indices = Self.indices(count: list.items.count, start: start, stop: stop, step: step)
            return .list(Value.List(indices.map { list.items[$0] }))
        case .string(let text):
            try budget.spend(bytes: text.utf8.count, line: line)
            let scalars = Array(text.unicodeScalars)
            var result = String.UnicodeScalarView()
            for index in Self.indices(count: scalars.count, start: start, stop: stop, step: step) {
                result.append(scalars[index])
            }
            return .string(String(result))
        case .undefined: return .list(Value.List([]))
        default: throw failure("wanted a list or a string to slice, found \(value.kind)")
        }
    }

    private mutating func bound(_ expression: Expression?) throws(TextError) -> Int? {
        guard let expression else { return nil }
        let value = try evaluate(expression)
        if case .none = value { return nil }
        guard let bound = value.wholeNumber else {
            throw failure("wanted a whole number in a slice, found \(value.kind)")
        }
        return bound
    }

    /// The positions that Python's slices take.
    private static func indices(count: Int, start: Int?, stop: Int?, step: Int) -> StrideTo<Int> {
        let range = step > 0 ? (low: 0, high: count) : (low: -1, high: count - 1)
        func clamp(_ bound: Int?, _ standard: Int) -> Int {
            guard let bound else { return standard }
            let position = bound < 0 ? bound.addingReportingOverflow(count).partialValue : bound
            return min(max(position, range.low), range.high)
        }
        let first = clamp(start, step > 0 ? range.low : range.high)
        let last = clamp(stop, step > 0 ? range.high : range.low)
        return stride(from: first, to: last, by: max(min(step, count + 1), -count - 1))
    }
}

extension Value.LoopState {
    /// The attributes of `loop`.
    subscript(name: String) -> Value? {
        switch name {
        case "index": .integer(index + 1)
        case "index0": .integer(index)
        case "revindex": .integer(items.count - index)
        case "revindex0": .integer(items.count - index - 1)
        case "first": .bool(index == 0)
        case "last": .bool(index == items.count - 1)
        case "length": .integer(items.count)
        case "depth": .integer(1)
        case "depth0": .integer(0)
        case "previtem": index > 0 ? items[index - 1] : nil
        case "nextitem": index + 1 < items.count ? items[index + 1] : nil
        default: nil
        }
    }
}
