import ApusFormats
internal import Foundation

extension Interpreter {
    func combine(_ left: Value, _ sign: BinaryOperator, _ right: Value) throws(TextError) -> Value {
        switch (left, sign, right) {
        case (_, .concatenate, _): return .string(try joined(try text(of: left), try text(of: right)))
        case (.string(let first), .add, .string(let second)): return .string(try joined(first, second))
        case (.markup, .add, _), (_, .add, .markup):
            guard let first = left.text, let second = right.text else { break }
            return .markup(
                try joined(left.isMarkup ? first : first.escaped, right.isMarkup ? second : second.escaped))
        case (.list(let first), .add, .list(let second)) where first.canBeAdded(to: second):
            try budget.spend(steps: first.items.count + second.items.count, line: line)
            return .list(Value.List(first.items + second.items, first.kind.isTuple ? .tuple : .list))
        case (_, .multiply, _):
            if let count = right.wholeNumber, let result = try repeated(left, count) { return result }
            if let count = left.wholeNumber, let result = try repeated(right, count) { return result }
        case (.string(let format), .remainder, _): return .string(try percentFormatted(format, right))
        case (.markup, .remainder, _): throw unsupported("'%' on escaped text is not supported")
        default: break
        }
        if let first = left.wholeNumber, let second = right.wholeNumber { return try combine(first, sign, second) }
        try refuseBigIntegers(left, right)
        guard let first = left.floatingNumber, let second = right.floatingNumber else {
            throw failure("'\(sign.rawValue)' cannot combine \(left.kind) and \(right.kind)")
        }
        return .number(try combine(first, sign, second))
    }

    private func joined(_ left: String, _ right: String) throws(TextError) -> String {
        try budget.spend(bytes: left.utf8.count + right.utf8.count, line: line)
        return left + right
    }

    /// A text or a list several times; nil for other values.
    private func repeated(_ value: Value, _ count: Int) throws(TextError) -> Value? {
        func size(of one: Int) -> Int {
            let size = one.multipliedReportingOverflow(by: max(count, 0))
            return size.overflow ? .max : size.partialValue
        }
        switch value {
        case .string(let text), .markup(let text):
            try budget.spend(bytes: size(of: text.utf8.count), line: line)
            return value.like(text.isEmpty ? "" : String(repeating: text, count: max(count, 0)))
        case .list(let list) where list.kind == .list || list.kind.isTuple:
            try budget.spend(steps: list.items.isEmpty ? 0 : size(of: list.items.count), line: line)
            guard !list.items.isEmpty else { return value }
            let items = Array(repeatElement(list.items, count: max(count, 0)).joined())
            return .list(Value.List(items, list.kind.isTuple ? .tuple : .list))
        default: return nil
        }
    }

    /// Whole numbers above 64 bits are passed on and printed; nothing is reckoned with them.
    private func refuseBigIntegers(_ values: Value...) throws(TextError) {
        for case .bigInteger in values { throw numberTooLarge }
    }

    var numberTooLarge: TextError { unsupported("a whole number is above 64 bits, which is as far as Apus reckons") }

    func negate(_ value: Value) throws(TextError) -> Value {
        switch try number(value) {
        case .integer(let whole):
            let (result, overflow) = 0.subtractingReportingOverflow(whole)
            guard !overflow else { throw numberTooLarge }
            return .integer(result)
        case .number(let number): return .number(-number)
        default: throw numberTooLarge
        }
    }

    /// What `+` before a value is.
    func number(_ value: Value) throws(TextError) -> Value {
        if let whole = value.wholeNumber { return .integer(whole) }
        guard value.floatingNumber != nil else { throw failure("wanted a number behind a sign, found \(value.kind)") }
        return value
    }
}

extension Value {
    fileprivate var isMarkup: Bool {
        if case .markup = self { true } else { false }
    }
}

extension Value.List {
    /// Lists go with lists and tuples with tuples.
    fileprivate func canBeAdded(to other: Value.List) -> Bool {
        (kind == .list && other.kind == .list) || (kind.isTuple && other.kind.isTuple)
    }
}

// MARK: - Numbers

extension Interpreter {
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
            guard let first = Double(exactly: left), let second = Double(exactly: right) else { throw numberTooLarge }
            return .number(try combine(first, sign, second))
        }
        guard !result.overflow else { throw numberTooLarge }
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
        case .power: return try power(left, right)
        case .divide, .divideWhole, .remainder, .concatenate:
            guard right != 0 else { throw failure("division by zero") }
            if sign == .divide { return left / right }
            let (quotient, remainder) = floorDivision(left, right)
            return sign == .divideWhole ? quotient : remainder
        }
    }

    private func power(_ base: Double, _ exponent: Double) throws(TextError) -> Double {
        guard base != 0 || exponent >= 0 else { throw failure("zero has no negative power") }
        let result = pow(base, exponent)
        guard !result.isNaN || base.isNaN || exponent.isNaN else {
            throw unsupported("a root of a negative number is not supported")
        }
        guard result.isFinite || !base.isFinite || !exponent.isFinite else { throw failure("a number is too large") }
        return result
    }

    /// The steps of Python's `float.__divmod__`, whose rounding shows in the last digit.
    private func floorDivision(_ left: Double, _ right: Double) -> (quotient: Double, remainder: Double) {
        var remainder = fmod(left, right)
        var quotient = (left - remainder) / right
        if remainder != 0 {
            if (right < 0) != (remainder < 0) {
                remainder += right
                quotient -= 1
            }
        } else {
            remainder = copysign(0, right)
        }
        guard quotient != 0 else { return (copysign(0, left / right), remainder) }
        let floor = quotient.rounded(.down)
        return (quotient - floor > 0.5 ? floor + 1 : floor, remainder)
    }
}
