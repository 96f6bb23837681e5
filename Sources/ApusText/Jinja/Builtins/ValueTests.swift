/// What `value is name(arguments)` asks.
typealias ValueTest = Builtin<Value, Bool>

extension Interpreter {
    /// The tests of Jinja2 by their names.
    static let tests: [String: ValueTest] = kindTests.merging(comparingTests) { $1 }.merging(propertyTests) { $1 }

    func test(_ name: String, _ value: Value, _ arguments: CallArguments) throws(TextError) -> Bool {
        guard let test = Self.tests[name] else { throw failure("there is no test '\(name)'") }
        return try test(self)(value, arguments)
    }

    private static let kindTests = Dictionary(
        uniqueKeysWithValues: Value.TestedKind.allCases.map { ($0.rawValue, named($0.rawValue, isOfKind)) })

    private func isOfKind(_ value: Value, _ name: String, _ arguments: CallArguments) throws(TextError) -> Bool {
        _ = try bind(arguments, of: name)
        return Value.TestedKind(rawValue: name).map(value.isOf) ?? false
    }

    private static let comparisons: [String: ComparisonOperator] = [
        "eq": .equal, "equalto": .equal, "==": .equal, "ne": .notEqual, "!=": .notEqual, "lt": .less,
        "lessthan": .less, "<": .less, "le": .lessOrEqual, "<=": .lessOrEqual, "gt": .greater,
        "greaterthan": .greater, ">": .greater, "ge": .greaterOrEqual, ">=": .greaterOrEqual,
    ]

    private static let comparingTests = Dictionary(
        uniqueKeysWithValues: comparisons.keys.map { ($0, named($0, isCompared)) })

    private func isCompared(_ value: Value, _ name: String, _ arguments: CallArguments) throws(TextError) -> Bool {
        let other = try bind(arguments, of: name, 1...1)[0] ?? .none
        guard let sign = Self.comparisons[name] else { throw failure("there is no test '\(name)'") }
        return try compare(value, sign, other)
    }

    private static let propertyTests: [String: ValueTest] = [
        "odd": named("odd", hasRemainder),
        "even": named("even", hasRemainder),
        "divisibleby": isDivisible,
        "in": isContained,
        "sameas": isSame,
        "lower": named("lower", isCased),
        "upper": named("upper", isCased),
        "filter": isFilter,
        "test": isTest,
    ]

    private func hasRemainder(_ value: Value, _ name: String, _ arguments: CallArguments) throws(TextError) -> Bool {
        _ = try bind(arguments, of: name)
        return try areEqual(try combine(value, .remainder, .integer(2)), .integer(name == "odd" ? 1 : 0))
    }

    private func isDivisible(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Bool {
        let divisor = try bind(arguments, of: "divisibleby", "num", required: 1)[0] ?? .none
        return try areEqual(try combine(value, .remainder, divisor), .integer(0))
    }

    private func isContained(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Bool {
        try contains(try bind(arguments, of: "in", "seq", required: 1)[0] ?? .none, value)
    }

    private func isCased(_ value: Value, _ name: String, _ arguments: CallArguments) throws(TextError) -> Bool {
        _ = try bind(arguments, of: name)
        return try text(of: value).isMade(of: "is" + name)
    }

    private func isFilter(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Bool {
        _ = try bind(arguments, of: "filter")
        return try self.name(value).map { Self.filters[$0] != nil } ?? false
    }

    private func isTest(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Bool {
        _ = try bind(arguments, of: "test")
        return try self.name(value).map { Self.tests[$0] != nil } ?? false
    }

    /// A text that is looked up; nil for other keys, which no table has.
    private func name(_ value: Value) throws(TextError) -> String? {
        guard Value.Key(value) != nil else { throw failure("\(value.kind) cannot be looked up") }
        return value.text
    }

    /// Whether two values are one object of Python's: certain for what there is once, and for what is not even equal.
    private func isSame(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Bool {
        let other = try bind(arguments, of: "sameas", "other", required: 1)[0] ?? .none
        switch (value, other) {
        case (.none, .none): return true
        case (.bool(let first), .bool(let second)): return first == second
        case (.bool, _), (_, .bool), (.none, _), (_, .none): return false
        // Python has one object for each small number.
        case (.integer(let first), .integer(let second)) where first != second || (-5...256).contains(first):
            return first == second
        case (.namespace(let first), .namespace(let second)): return first === second
        case (.integer, .number), (.number, .integer), (.string, .markup), (.markup, .string): return false
        default:
            guard try areEqual(value, other) else { return false }
            throw unsupported(
                "'sameas' tells true, false, none, small numbers and namespaces apart; use '==' for \(value.kind)")
        }
    }
}

extension Value {
    /// What tests ask about a value whatever else it is.
    enum TestedKind: String, CaseIterable {
        case boolean, callable, defined, escaped, `false`, float, integer, iterable, mapping, none, number, sequence
        case string, `true`, undefined
    }

    fileprivate func isOf(_ kind: TestedKind) -> Bool {
        switch (kind, self) {
        case (.defined, .undefined): false
        case (.defined, _), (.undefined, .undefined), (.none, .none), (.boolean, .bool), (.mapping, .dictionary): true
        case (.true, .bool(let value)): value
        case (.false, .bool(let value)): !value
        case (.integer, .integer), (.integer, .bigInteger), (.float, .number): true
        case (.number, .bool), (.number, .integer), (.number, .bigInteger), (.number, .number): true
        case (.string, .string), (.string, .markup), (.escaped, .markup): true
        case (.sequence, .list(let list)): !list.kind.isView
        case (.sequence, .string), (.sequence, .markup), (.sequence, .dictionary), (.sequence, .undefined): true
        case (.iterable, .list), (.iterable, .string), (.iterable, .markup), (.iterable, .dictionary),
            (.iterable, .undefined), (.iterable, .iterator), (.iterable, .loop):
            true
        // Python's class of undefined values can be called, which fails.
        case (.callable, .function), (.callable, .undefined), (.callable, .joiner), (.callable, .loop): true
        default: false
        }
    }
}
