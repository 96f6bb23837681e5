import ApusFormats

extension Interpreter {
    func compare(_ left: Value, _ sign: ComparisonOperator, _ right: Value) throws(TextError) -> Bool {
        switch sign {
        case .equal: return try areEqual(left, right)
        case .notEqual: return !(try areEqual(left, right))
        case .contained: return try contains(right, left)
        case .notContained: return !(try contains(right, left))
        // What is not a number is neither less nor greater than anything.
        case .less: return try order(left, right, sign).map { $0 < 0 } ?? false
        case .greater: return try order(left, right, sign).map { $0 > 0 } ?? false
        case .lessOrEqual: return try order(left, right, sign).map { $0 <= 0 } ?? false
        case .greaterOrEqual: return try order(left, right, sign).map { $0 >= 0 } ?? false
        }
    }

    func areEqual(_ left: Value, _ right: Value) throws(TextError) -> Bool {
        try budget.spend(steps: 1, line: line)
        switch (left, right) {
        case (.undefined, .undefined), (.none, .none): return true
        case (.list(let first), .list(let second)): return try areEqual(first, second)
        case (.dictionary(let first), .dictionary(let second)):
            guard first.members.count == second.members.count else { return false }
            for member in first.members {
                guard let key = Value.Key(member.key), let other = second[key], try areEqual(member.value, other) else {
                    return false
                }
            }
            return true
        case (.namespace(let first), .namespace(let second)): return first === second
        case (.iterator(let first), .iterator(let second)): return first === second
        case (.loop(let first), .loop(let second)): return first === second
        case (.function, .function): throw unsupported("functions cannot be compared")
        default:
            if let first = left.text, let second = right.text {
                try budget.spend(steps: min(first.utf8.count, second.utf8.count) / 64, line: line)
                return first.hasSameScalars(as: second)
            }
            guard left.floatingNumber != nil, let first = Value.Key(left), let second = Value.Key(right) else {
                return false
            }
            return first == second
        }
    }

    private func areEqual(_ left: Value.List, _ right: Value.List) throws(TextError) -> Bool {
        let areAlike = left.kind.isTuple && right.kind.isTuple || left.kind.isComparable(to: right.kind)
        guard areAlike, left.items.count == right.items.count else { return false }
        for (one, other) in zip(left.items, right.items) where !(try areEqual(one, other)) { return false }
        return true
    }

    /// Whether `left` stands before (-1), beside (0) or behind `right`; nil where one is not a number.
    func order(_ left: Value, _ right: Value, _ sign: ComparisonOperator) throws(TextError) -> Int? {
        try budget.spend(steps: 1, line: line)
        if let first = left.text, let second = right.text {
            try budget.spend(steps: min(first.utf8.count, second.utf8.count) / 64, line: line)
            if first.hasSameScalars(as: second) { return 0 }
            return JSONWriter.precedes(first, second) ? -1 : 1
        }
        if let first = left.wholeNumber, let second = right.wholeNumber {
            return first < second ? -1 : first > second ? 1 : 0
        }
        if case .list(let first) = left, case .list(let second) = right, first.kind.isOrdered(beside: second.kind) {
            for (one, other) in zip(first.items, second.items) where !(try areEqual(one, other)) {
                return try order(one, other, sign)
            }
            return (first.items.count - second.items.count).signum()
        }
        if let first = left.decimalDigits, let second = right.decimalDigits { return first.order(beside: second) }
        guard let first = left.floatingNumber, let second = right.floatingNumber else {
            throw failure("'\(sign.rawValue)' cannot compare \(left.kind) and \(right.kind)")
        }
        guard !first.isNaN, !second.isNaN else { return nil }
        return first < second ? -1 : first > second ? 1 : 0
    }

    func contains(_ container: Value, _ value: Value) throws(TextError) -> Bool {
        switch container {
        case .undefined: return false
        case .string(let text), .markup(let text):
            guard let part = value.text else { break }
            try budget.spend(steps: text.utf8.count / 16, line: line)
            return part.isEmpty || TextSearch(text).firstRange(of: part) != nil
        case .list, .iterator, .loop:
            for item in try elements(of: container) where try areEqual(item, value) { return true }
            return false
        case .dictionary(let dictionary):
            guard let key = Value.Key(value) else { throw noKey(value) }
            return dictionary[key] != nil
        default: break
        }
        throw failure("'in' cannot look for \(value.kind) in \(container.kind)")
    }
}

extension Value {
    /// A whole number of any size as it is written.
    fileprivate var decimalDigits: String? {
        if case .bigInteger(let value) = self { return value.description }
        return wholeNumber.map { String($0) }
    }
}

extension String {
    /// The order of two whole numbers that are written without zeros in front.
    fileprivate func order(beside other: String) -> Int {
        let isNegative = hasPrefix("-")
        guard isNegative == other.hasPrefix("-") else { return isNegative ? -1 : 1 }
        let isLess = utf8.count == other.utf8.count ? JSONWriter.precedes(self, other) : utf8.count < other.utf8.count
        return self == other ? 0 : isLess == isNegative ? 1 : -1
    }
}

extension Value.List.Kind {
    fileprivate func isComparable(to other: Value.List.Kind) -> Bool {
        switch (self, other) {
        case (.list, .list), (.range, .range), (.keys, .keys), (.items, .items): true
        default: false
        }
    }

    /// Python orders lists and tuples by their elements.
    fileprivate func isOrdered(beside other: Value.List.Kind) -> Bool {
        (self == .list && other == .list) || (isTuple && other.isTuple)
    }
}
