extension Interpreter {
    func evaluate(_ expression: Expression) throws(TextError) -> Value {
        line = expression.line
        try budget.spend(steps: 1, line: line)
        try budget.enter(line: line)
        let value = try evaluate(expression.kind)
        budget.leave()
        return value
    }

    private func evaluate(_ expression: Expression.Kind) throws(TextError) -> Value {
        switch expression {
        case .literal(let value): return Value(value)
        case .name(let name): return lookUp(name)
        case .list(let elements): return try makeList(try evaluate(elements))
        case .tuple(let elements): return try makeList(try evaluate(elements), .tuple)
        case .dictionary(let members): return try evaluateDictionary(members)
        case .attribute(let operand, let name):
            if case .name("self") = operand.kind, scope["self"] == nil { return .function(.block(name)) }
            return try attribute(name, of: try evaluate(operand))
        case .item(let operand, let index):
            let value = try evaluate(operand)
            return try item(try evaluate(index), of: value)
        case .slice(let operand, let start, let stop, let step):
            return try slice(try evaluate(operand), start: start, stop: stop, step: step)
        case .call(let callee, let arguments):
            let function = try evaluate(callee)
            return try call(function, try evaluate(arguments))
        case .filter(let operand, let name, let arguments):
            let value = try evaluate(operand)
            return try apply(name, to: value, try evaluate(arguments))
        case .test(let operand, let name, let arguments):
            let value = try evaluate(operand)
            return .bool(try test(name, value, try evaluate(arguments)))
        case .conditional(let condition, let then, let otherwise):
            if try evaluate(condition).isTrue { return try evaluate(then) }
            guard let otherwise else { return .undefined("the value of an 'if' without 'else'") }
            return try evaluate(otherwise)
        default: return try evaluateOperator(expression)
        }
    }

    private func evaluateOperator(_ expression: Expression.Kind) throws(TextError) -> Value {
        switch expression {
        case .not(let operand): return .bool(!(try evaluate(operand).isTrue))
        case .negative(let operand): return try negate(try evaluate(operand))
        case .positive(let operand): return try number(try evaluate(operand))
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

    func evaluate(_ expressions: [Expression]) throws(TextError) -> [Value] {
        var values: [Value] = []
        for expression in expressions { values.append(try evaluate(expression)) }
        return values
    }

    private func evaluateDictionary(
        _ members: [(key: Expression, value: Expression)]
    ) throws(TextError) -> Value {
        var values: [Value.Dictionary.Member] = []
        for member in members {
            let key = try evaluate(member.key)
            values.append((key, try evaluate(member.value)))
        }
        return try makeDictionary(values)
    }

    /// Lists are no keys in Python either; other values are some there.
    func noKey(_ value: Value) -> TextError {
        let message = "\(value.kind) cannot be a key of a mapping"
        return value.isContainer ? failure(message) : unsupported(message)
    }

    /// A mapping; a later member of the same key takes the place of an earlier one.
    func makeDictionary(_ members: [Value.Dictionary.Member]) throws(TextError) -> Value {
        var dictionary = Value.Dictionary()
        for (key, value) in members {
            try checkElement(value)
            guard dictionary.set(key, to: value) else { throw noKey(key) }
        }
        return .dictionary(dictionary)
    }
}

// MARK: - Parts of values

extension Interpreter {
    /// `value.name`: what Python's object has of this name, which wins over a member of a mapping.
    func attribute(_ name: String, of value: Value) throws(TextError) -> Value {
        if case .undefined = value { throw undefinedHasNo("attribute '\(name)'", value) }
        if let attribute = try objectAttribute(name, of: value) { return attribute }
        guard case .dictionary(let dictionary) = value else { return .undefined(name) }
        return dictionary[name] ?? .undefined(name)
    }

    /// `value[index]`: an element or a member, which wins over an attribute of the name.
    func item(_ index: Value, of value: Value) throws(TextError) -> Value {
        switch value {
        case .undefined: throw undefinedHasNo("elements", value)
        case .dictionary(let dictionary):
            if let key = Value.Key(index), let member = dictionary[key] { return member }
        case .list(let list) where !list.kind.isView:
            if let index = index.wholeNumber {
                let position = index < 0 ? index + list.items.count : index
                return list.items.indices.contains(position) ? list.items[position] : .undefined("element \(index)")
            }
        case .string(let text), .markup(let text):
            if let index = index.wholeNumber { return try character(index, of: text) }
        default: break
        }
        guard let name = index.text else { return .undefined("an element of \(value.kind)") }
        return try objectAttribute(name, of: value) ?? .undefined(name)
    }

    /// What a filter's `attribute` names: "function.name", or an index.
    func element(at path: Value?, of value: Value, default standard: Value? = nil) throws(TextError) -> Value {
        guard let path, !path.isNone else { return value }
        guard let names = path.text else { return try item(path, of: value) }
        var result = value
        for name in TextSearch(names).split(at: ".") {
            let isIndex = name.isMade(of: "isdigit")
            result = try item(isIndex ? Int(name).map(Value.integer) ?? .string(name) : .string(name), of: result)
            if case .undefined = result, let standard, !standard.isNone { result = standard }
        }
        return result
    }

    private func undefinedHasNo(_ part: String, _ value: Value) -> TextError {
        failure("\(value.kind) has no \(part); test it with 'is defined' first")
    }

    private func character(_ index: Int, of text: String) throws(TextError) -> Value {
        try budget.spend(bytes: text.utf8.count, line: line)
        let scalars = Array(text.unicodeScalars)
        let position = index < 0 ? index.addingReportingOverflow(scalars.count).partialValue : index
        return scalars.indices.contains(position)
            ? .string(String(scalars[position])) : .undefined("character \(index)")
    }
}

// MARK: - Slices

extension Interpreter {
    private func slice(
        _ value: Value, start: Expression?, stop: Expression?, step: Expression?
    ) throws(TextError) -> Value {
        let start = try bound(start)
        let stop = try bound(stop)
        let step = try bound(step) ?? 1
        guard step != 0 else { throw failure("the step of a slice cannot be 0") }
        switch value {
        case .list(let list) where !list.kind.isView:
            try budget.spend(steps: list.items.count / 16, line: line)
            let indices = Self.indices(count: list.items.count, start: start, stop: stop, step: step)
            let items = indices.map { list.items[$0] }
            if case .range = list.kind { throw unsupported("a slice of a range is not supported; make it a list") }
            return .list(Value.List(items, list.kind.isTuple ? .tuple : .list))
        case .string(let text), .markup(let text):
            try budget.spend(bytes: text.utf8.count, line: line)
            let scalars = Array(text.unicodeScalars)
            var result = String.UnicodeScalarView()
            for index in Self.indices(count: scalars.count, start: start, stop: stop, step: step) {
                result.append(scalars[index])
            }
            return value.like(String(result))
        case .undefined: throw undefinedHasNo("elements", value)
        default: throw failure("wanted a list or a string to slice, found \(value.kind)")
        }
    }

    private func bound(_ expression: Expression?) throws(TextError) -> Int? {
        guard let expression else { return nil }
        let value = try evaluate(expression)
        if value.isNone { return nil }
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
