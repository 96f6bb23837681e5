import ApusFormats
internal import Foundation

extension Interpreter {
    mutating func combine(_ left: Value, _ sign: BinaryOperator, _ right: Value) throws(TextError) -> Value {
        switch (left, sign, right) {
        case (_, .concatenate, _): return .string(try joined(try text(of: left), try text(of: right)))
        case (.string(let first), .add, .string(let second)): return .string(try joined(first, second))
        case (.list(let first), .add, .list(let second)):
            try budget.spend(steps: first.items.count + second.items.count, line: line)
            return .list(Value.List(first.items + second.items))
        case (.string(let text), .multiply, _) where right.wholeNumber != nil:
            return .string(try repeated(text, right.wholeNumber ?? 0))
        case (_, .multiply, .string(let text)) where left.wholeNumber != nil:
            return .string(try repeated(text, left.wholeNumber ?? 0))
        default: break
        }
        if let first = left.wholeNumber, let second = right.wholeNumber {
            return try combine(first, sign, second)
        }
        guard let first = left.floatingNumber, let second = right.floatingNumber else {
            throw failure("'\(sign.rawValue)' cannot combine \(left.kind) and \(right.kind)")
        }
        return .number(try combine(first, sign, second))
    }

    private mutating func joined(_ left: String, _ right: String) throws(TextError) -> String {
        try budget.spend(bytes: left.utf8.count + right.utf8.count, line: line)
        return left + right
    }

    private mutating func repeated(_ text: String, _ count: Int) throws(TextError) -> String {
        guard count > 0 else { return "" }
        let bytes = text.utf8.count.multipliedReportingOverflow(by: count)
        try budget.spend(bytes: bytes.overflow ? .max : bytes.partialValue, line: line)
        return String(repeating: text, count: count)
    }

    private func combine(_ left: Int, _ sign: BinaryOperator, _ right: Int) throws(TextError) -> Value {
        let result: (partialValue: Int, overflow: Bool)
        switch sign {
        case .add: result = left.addingReportingOverflow(right)
        case .subtract: result = left.subtractingReportingOverflow(right)
        case .multiply: result = left.multipliedReportingOverflow(by: right)
        case .divideWhole, .remainder:
            guard right != 0 else { throw failure("division by zero") }
            result = floorDivision(left, right, wantsRemainder: sign == .remainder)
        case .power where right >= 0: result = power(left, right)
        case .power, .divide, .concatenate:
            return .number(try combine(Double(left), sign, Double(right)))
        }
        guard !result.overflow else { throw failure("a number is too large") }
        return .integer(result.partialValue)
    }

    /// Python rounds towards minus infinity, and remainders take the divisor's sign.
    private func floorDivision(_ left: Int, _ right: Int, wantsRemainder: Bool) -> (partialValue: Int, overflow: Bool) {
        let quotient = left.dividedReportingOverflow(by: right)
        if quotient.overflow { return wantsRemainder ? (0, false) : quotient }
        let remainder = left % right
        let needsStep = remainder != 0 && (remainder < 0) != (right < 0)
        if wantsRemainder { return (needsStep ? remainder + right : remainder, false) }
        return (needsStep ? quotient.partialValue - 1 : quotient.partialValue, false)
    }

    private func power(_ base: Int, _ exponent: Int) -> (partialValue: Int, overflow: Bool) {
        if exponent == 0 || base == 1 { return (1, false) }
        if base == 0 { return (0, false) }
        if base == -1 { return (exponent % 2 == 0 ? 1 : -1, false) }
        var result = (partialValue: 1, overflow: exponent > 64)
        for _ in 0..<min(exponent, 64) where !result.overflow {
            result = result.partialValue.multipliedReportingOverflow(by: base)
        }
        return result
    }

    private func combine(_ left: Double, _ sign: BinaryOperator, _ right: Double) throws(TextError) -> Double {
        switch sign {
        case .add: return left + right
        case .subtract: return left - right
        case .multiply: return left * right
        case .power: return pow(left, right)
        case .divide, .divideWhole, .remainder, .concatenate:
            guard right != 0 else { throw failure("division by zero") }
            if sign == .divide { return left / right }
            let quotient = (left / right).rounded(.down)
            return sign == .divideWhole ? quotient : left - quotient * right
        }
    }

    func negate(_ value: Value) throws(TextError) -> Value {
        if let whole = value.wholeNumber, whole != .min { return .integer(-whole) }
        guard let number = value.floatingNumber else { throw failure("'-' cannot negate \(value.kind)") }
        return .number(-number)
    }
}

// MARK: - Comparison

extension Interpreter {
    mutating func compare(_ left: Value, _ sign: ComparisonOperator, _ right: Value) throws(TextError) -> Bool {
        switch sign {
        case .equal: return try areEqual(left, right)
        case .notEqual: return !(try areEqual(left, right))
        case .contained: return try contains(right, left)
        case .notContained: return !(try contains(right, left))
        case .less: return try precedes(left, right, sign)
        case .greater: return try precedes(right, left, sign)
        case .lessOrEqual: return !(try precedes(right, left, sign))
        case .greaterOrEqual: return !(try precedes(left, right, sign))
        }
    }

    mutating func areEqual(_ left: Value, _ right: Value) throws(TextError) -> Bool {
        try budget.spend(steps: 1, line: line)
        switch (left, right) {
        case (.undefined, .undefined), (.none, .none): return true
        case (.string(let first), .string(let second)):
            try budget.spend(steps: min(first.utf8.count, second.utf8.count) / 64, line: line)
            return first.hasSameScalars(as: second)
        case (.list(let first), .list(let second)):
            guard first.items.count == second.items.count else { return false }
            for (one, other) in zip(first.items, second.items) where !(try areEqual(one, other)) { return false }
            return true
        case (.dictionary(let first), .dictionary(let second)):
            guard first.members.count == second.members.count else { return false }
            for member in first.members {
                guard let other = second[member.key], try areEqual(member.value, other) else { return false }
            }
            return true
        case (.bigInteger(let first), .bigInteger(let second)): return first == second
        case (.namespace(let first), .namespace(let second)): return first === second
        default:
            if let first = left.wholeNumber, let second = right.wholeNumber { return first == second }
            guard let first = left.floatingNumber, let second = right.floatingNumber else { return false }
            return first == second
        }
    }

    private mutating func precedes(_ left: Value, _ right: Value, _ sign: ComparisonOperator) throws(TextError) -> Bool
    {
        if case .string(let first) = left, case .string(let second) = right {
            try budget.spend(steps: min(first.utf8.count, second.utf8.count) / 64, line: line)
            return JSONWriter.precedes(first, second)
        }
        if let first = left.wholeNumber, let second = right.wholeNumber { return first < second }
        guard let first = left.floatingNumber, let second = right.floatingNumber else {
            throw failure("'\(sign.rawValue)' cannot compare \(left.kind) and \(right.kind)")
        }
        return first < second
    }

    mutating func contains(_ container: Value, _ value: Value) throws(TextError) -> Bool {
        switch (container, value) {
        case (.undefined, _): return false
        case (.string(let text), .string(let part)):
            try budget.spend(steps: text.utf8.count / 16, line: line)
            return part.isEmpty || TextSearch(text).firstRange(of: part) != nil
        case (.list(let list), _):
            for item in list.items where try areEqual(item, value) { return true }
            return false
        case (.dictionary(let dictionary), .string(let key)):
            try budget.spend(steps: dictionary.members.count, line: line)
            return dictionary[key] != nil
        case (.dictionary, _): return false
        default: throw failure("'in' cannot look for \(value.kind) in \(container.kind)")
        }
    }
}
