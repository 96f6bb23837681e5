extension Interpreter {
    /// `value is name(arguments)`.
    mutating func test(_ name: String, _ value: Value, _ arguments: [Value]) throws(TextError) -> Bool {
        if let result = testKind(name, value) { return result }
        switch name {
        case "odd", "even", "divisibleby":
            guard let number = value.wholeNumber, let divisor = name == "divisibleby" ? arguments.first?.wholeNumber : 2
            else { throw failure("'\(name)' wants whole numbers") }
            guard divisor != 0 else { throw failure("division by zero") }
            return number.remainderReportingOverflow(dividingBy: divisor).partialValue == 0
                ? name != "odd" : name == "odd"
        default: break
        }
        let comparisons: [String: ComparisonOperator] = [
            "eq": .equal, "equalto": .equal, "==": .equal, "ne": .notEqual, "!=": .notEqual, "lt": .less,
            "lessthan": .less, "<": .less, "le": .lessOrEqual, "<=": .lessOrEqual, "gt": .greater,
            "greaterthan": .greater, ">": .greater, "ge": .greaterOrEqual, ">=": .greaterOrEqual, "in": .contained,
            "sameas": .equal,
        ]
        guard let comparison = comparisons[name] else { throw failure("there is no test '\(name)'") }
        guard let other = arguments.first else { throw failure("the test '\(name)' wants an argument") }
        return try compare(value, comparison, other)
    }

    /// The tests that ask what kind of value it is; nil when `name` is none of them.
    private func testKind(_ name: String, _ value: Value) -> Bool? {
        switch (name, value) {
        case ("defined", .undefined): false
        case ("defined", _): true
        case ("undefined", .undefined): true
        case ("none", .none): true
        case ("string", .string): true
        case ("boolean", .bool): true
        case ("integer", .integer), ("integer", .bigInteger): true
        case ("float", .number): true
        case ("number", .integer), ("number", .bigInteger), ("number", .number), ("number", .bool): true
        case ("mapping", .dictionary): true
        case ("sequence", .list), ("sequence", .string), ("sequence", .dictionary), ("sequence", .undefined): true
        case ("iterable", .list), ("iterable", .string), ("iterable", .dictionary), ("iterable", .undefined): true
        case ("callable", .macro): true
        case ("true", .bool(let value)): value
        case ("false", .bool(let value)): !value
        case ("undefined", _), ("none", _), ("string", _), ("boolean", _), ("integer", _), ("float", _), ("number", _),
            ("mapping", _), ("sequence", _), ("iterable", _), ("callable", _), ("true", _), ("false", _):
            false
        default: nil
        }
    }
}
