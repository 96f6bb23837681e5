import ApusFormats

/// Python's two languages for putting values into a text: `format` and `%`.
extension Interpreter {
    /// `text.format(…)`
    func formatted(_ text: String, _ arguments: CallArguments) throws(TextError) -> String {
        var automatic: Int? = 0
        return try formatted(text, arguments, next: &automatic, depth: 2)
    }

    /// - Parameter next: the place of the next field without a name; nil once a field was numbered.
    private func formatted(
        _ text: String, _ arguments: CallArguments, next: inout Int?, depth: Int
    ) throws(TextError) -> String {
        guard depth >= 0 else { throw failure("'format' has fields within fields within fields") }
        var result = ""
        var rest = text.unicodeScalars[...]
        while let scalar = rest.popFirst() {
            switch scalar {
            case "{" where rest.first == "{", "}" where rest.first == "}":
                result.unicodeScalars.append(rest.removeFirst())
            case "}": throw failure("'format' finds a single '}'")
            case "{":
                guard let field = Self.field(&rest) else { throw failure("'format' finds a single '{'") }
                result += try formattedField(field, arguments, next: &next, depth: depth)
            default: result.unicodeScalars.append(scalar)
            }
            try budget.checkOutput(bytes: result.utf8.count, line: line)
        }
        try budget.spend(bytes: result.utf8.count, line: line)
        return result
    }

    /// The inside of a field up to its closing brace; nil where there is none.
    private static func field(_ rest: inout Substring.UnicodeScalarView) -> String? {
        var depth = 1
        var field = String.UnicodeScalarView()
        while let scalar = rest.popFirst() {
            if scalar == "{" { depth += 1 }
            if scalar == "}" { depth -= 1 }
            if depth == 0 { return String(field) }
            field.append(scalar)
        }
        return nil
    }

    private func formattedField(
        _ field: String, _ arguments: CallArguments, next: inout Int?, depth: Int
    ) throws(TextError) -> String {
        var rest = field.unicodeScalars[...]
        var isInBrackets = false
        let name = String(
            rest.prefix { scalar in
                if scalar == "[" { isInBrackets = true }
                if scalar == "]" { isInBrackets = false }
                return isInBrackets || (scalar != "!" && scalar != ":")
            })
        rest.removeFirst(name.unicodeScalars.count)
        var value = try fieldValue(name, arguments, next: &next)
        if rest.first == "!" {
            guard let conversion = rest.dropFirst().first, rest.count == 2 || rest.dropFirst(2).first == ":" else {
                throw failure("'format' wants one letter behind '!'")
            }
            value = .string(try converted(value, conversion))
            rest.removeFirst(2)
        }
        let specification = try formatted(String(rest.dropFirst()), arguments, next: &next, depth: depth - 1)
        return try self.formatted(value, by: specification)
    }

    private func converted(_ value: Value, _ conversion: Unicode.Scalar) throws(TextError) -> String {
        switch conversion {
        case "s": return try text(of: value)
        case "r": return try representation(of: value)
        case "a": return try representation(of: value, inASCII: true)
        default: throw failure("'format' has no conversion '\(conversion)'")
        }
    }

    /// What a name such as `0.attribute[key]` means.
    private func fieldValue(
        _ name: String, _ arguments: CallArguments, next: inout Int?
    ) throws(TextError) -> Value {
        var rest = name.unicodeScalars[...]
        let first = String(rest.prefix { $0 != "." && $0 != "[" })
        rest.removeFirst(first.unicodeScalars.count)
        var value = try argument(first, arguments, next: &next)
        while let scalar = rest.popFirst() {
            if scalar == "." {
                let attribute = String(rest.prefix { $0 != "." && $0 != "[" })
                guard !attribute.isEmpty else { throw failure("'format' wants a name behind '.'") }
                rest.removeFirst(attribute.unicodeScalars.count)
                value = try self.attribute(attribute, of: value)
            } else {
                let key = String(rest.prefix { $0 != "]" })
                rest.removeFirst(key.unicodeScalars.count)
                guard scalar == "[", !key.isEmpty, rest.popFirst() == "]" else {
                    throw failure("'format' wants '.name' or '[key]' behind a field's name")
                }
                value = try item(
                    key.isMade(of: "isdecimal") ? Int(key).map(Value.integer) ?? .string(key) : .string(key), of: value)
            }
        }
        return value
    }

    private func argument(_ name: String, _ arguments: CallArguments, next: inout Int?) throws(TextError) -> Value {
        var index = Int(name)
        if name.isEmpty {
            guard let place = next else { throw failure("'format' numbers some fields and not others") }
            index = place
            next = place + 1
        } else if index != nil {
            guard next == nil || next == 0 else { throw failure("'format' numbers some fields and not others") }
            next = nil
        }
        if let index {
            guard arguments.positional.indices.contains(index) else {
                throw failure("'format' has no argument for field \(index)")
            }
            return arguments.positional[index]
        }
        guard let value = arguments[name] else { throw failure("'format' has no argument '\(name)'") }
        return value
    }

    /// Python's `format(value, specification)`.
    private func formatted(_ value: Value, by text: String) throws(TextError) -> String {
        guard !text.isEmpty else { return try self.text(of: value) }
        guard let specification = FormatSpecification(text) else { throw failure("'\(text)' is no format") }
        try budget.spend(bytes: specification.width + (specification.precision ?? 0), line: line)
        guard let result = try written(value, by: specification) else {
            throw failure("the format '\(text)' does not go with \(value.kind)")
        }
        return result
    }

    private func written(_ value: Value, by specification: FormatSpecification) throws(TextError) -> String? {
        if let text = value.text {
            let fits = specification.type == nil || specification.type == "s"
            guard fits, specification.alignment != .behindSign || specification.fill == "0",
                specification.sign == "-", !specification.isAlternate, specification.grouping == nil
            else { return nil }
            var plain = specification
            if plain.alignment == .behindSign { plain.alignment = .left }
            let cut = specification.precision.map { String(text.unicodeScalars.prefix($0)) } ?? text
            return plain.aligned(cut, standard: .left)
        }
        if specification.type == "n" { throw unsupported("the format 'n' depends on the machine's language") }
        if case .bool(let truth) = value, specification.type == nil {
            // Python formats what it calls true as the number 1, unless no format is given.
            return specification.text(of: truth ? 1 : 0)
        }
        if let whole = value.wholeNumber {
            if specification.type == "c" {
                guard let scalar = UInt32(exactly: whole).flatMap(Unicode.Scalar.init) else { return nil }
                return specification.aligned(String(scalar), standard: .left)
            }
            guard let type = specification.type, "eEfFgG%".unicodeScalars.contains(type) else {
                return specification.text(of: whole)
            }
            return specification.text(of: Double(whole))
        }
        if case .bigInteger = value { throw numberTooLarge }
        guard case .number(let number) = value else { return nil }
        return specification.text(of: number)
    }
}

// MARK: - Percent signs

extension Interpreter {
    /// `text % values`
    func percentFormatted(_ text: String, _ values: Value) throws(TextError) -> String {
        var arguments: [Value] = [values]
        if case .list(let list) = values, list.kind.isTuple { arguments = list.items }
        var taken = 0
        var result = ""
        var rest = text.unicodeScalars[...]
        func next() throws(TextError) -> Value {
            guard taken < arguments.count else { throw failure("'%' has fewer values than places for them") }
            taken += 1
            return arguments[taken - 1]
        }
        var usesNames = false
        while let scalar = rest.popFirst() {
            guard scalar == "%" else {
                result.unicodeScalars.append(scalar)
                continue
            }
            if rest.first == "%" {
                result.unicodeScalars.append(rest.removeFirst())
                continue
            }
            var named: Value?
            if rest.first == "(" {
                named = try namedValue(&rest, in: values)
                usesNames = true
            }
            var place = try percentPlace(&rest, next: next)
            guard let type = rest.popFirst() else { throw failure("'%' ends in the middle of a place") }
            place.type = type
            try budget.spend(bytes: place.width + (place.precision ?? 0), line: line)
            if named == nil { named = try next() }
            result += try percentText(of: named ?? .none, place)
            try budget.checkOutput(bytes: result.utf8.count, line: line)
        }
        let mayBeLeft: Bool
        switch values {
        case .dictionary: mayBeLeft = true
        case .list(let list): mayBeLeft = !list.kind.isTuple
        default: mayBeLeft = false
        }
        guard usesNames || taken == arguments.count || mayBeLeft else {
            throw failure("'%' has more values than places for them")
        }
        try budget.spend(bytes: result.utf8.count, line: line)
        return result
    }

    private func namedValue(_ rest: inout Substring.UnicodeScalarView, in values: Value) throws(TextError) -> Value {
        rest.removeFirst()
        var depth = 1
        var name = String.UnicodeScalarView()
        while let scalar = rest.popFirst() {
            if scalar == "(" { depth += 1 }
            if scalar == ")" { depth -= 1 }
            if depth == 0 { break }
            name.append(scalar)
        }
        guard depth == 0, case .dictionary(let dictionary) = values, let value = dictionary[String(name)] else {
            throw failure("'%' wants a mapping that has '\(String(name))'")
        }
        return value
    }

    /// Flags, width and precision.
    private func percentPlace(
        _ rest: inout Substring.UnicodeScalarView, next: () throws(TextError) -> Value
    ) throws(TextError) -> FormatSpecification {
        var place = FormatSpecification()
        while let flag = rest.first, "#0- +".unicodeScalars.contains(flag) {
            rest.removeFirst()
            switch flag {
            case "#": place.isAlternate = true
            case "-": place.alignment = .left
            case "0" where place.alignment == nil: place.alignment = .behindSign
            case "+": place.sign = "+"
            case " " where place.sign != "+": place.sign = " "
            default: break
            }
        }
        let width = try percentSize(&rest, next: next)
        if let width, width < 0 { place.alignment = .left }
        place.width = width.map { abs($0) } ?? 0
        if rest.first == "." {
            rest.removeFirst()
            place.precision = max(try percentSize(&rest, next: next) ?? 0, 0)
        }
        while let mark = rest.first, "hlL".unicodeScalars.contains(mark) { rest.removeFirst() }
        return place
    }

    private func percentSize(
        _ rest: inout Substring.UnicodeScalarView, next: () throws(TextError) -> Value
    ) throws(TextError) -> Int? {
        if rest.first == "*" {
            rest.removeFirst()
            guard case .integer(let size) = try next() else { throw failure("'*' of '%' wants a whole number") }
            guard abs(size) <= FormatSpecification.maximumSize else { throw tooWide }
            return size
        }
        guard let number = FormatSpecification.number(&rest) else { throw tooWide }
        return number
    }

    private var tooWide: TextError {
        exceeded("a text is filled to more than \(FormatSpecification.maximumSize)")
    }

    private func percentText(of value: Value, _ place: FormatSpecification) throws(TextError) -> String {
        var place = place
        let type = place.type ?? "s"
        switch type {
        case "s", "r", "a", "c":
            var text: String
            if type == "c" {
                text = try percentCharacter(value)
            } else {
                text = try converted(value, type)
                if let precision = place.precision { text = String(text.unicodeScalars.prefix(precision)) }
            }
            if place.alignment == .behindSign { place.alignment = .right }
            return place.aligned(text, standard: .right)
        case "d", "i", "u", "x", "X", "o": return try percentInteger(value, place)
        case "e", "E", "f", "F", "g", "G":
            guard let number = value.floatingNumber else {
                throw failure("'%\(type)' wants a number, found \(value.kind)")
            }
            place.fill = place.alignment == .behindSign ? "0" : " "
            return place.text(of: number) ?? ""
        default: throw failure("'%' has no place of the kind '\(type)'")
        }
    }

    private func percentCharacter(_ value: Value) throws(TextError) -> String {
        if let text = value.text, text.unicodeScalars.count == 1 { return text }
        guard let code = value.wholeNumber, let scalar = UInt32(exactly: code).flatMap(Unicode.Scalar.init) else {
            throw failure("'%c' wants a character, found \(value.kind)")
        }
        return String(scalar)
    }

    private func percentInteger(_ value: Value, _ place: FormatSpecification) throws(TextError) -> String {
        var place = place
        let isDecimal = ["d", "i", "u"].contains(place.type ?? "d")
        var whole = value.wholeNumber
        if case .number(let number) = value, isDecimal { whole = Int(exactly: number.rounded(.towardZero)) }
        if case .bigInteger = value { throw numberTooLarge }
        guard let whole else { throw failure("'%\(place.type ?? "d")' wants a whole number, found \(value.kind)") }
        let minimum = place.precision ?? 0
        place.precision = nil
        if isDecimal { place.type = "d" }
        place.fill = place.alignment == .behindSign ? "0" : " "
        guard minimum > 0 else { return place.text(of: whole) ?? "" }
        var digits = place
        digits.width = 0
        digits.sign = "-"
        digits.isAlternate = false
        let magnitude = whole.magnitude > UInt(Int.max) ? nil : digits.text(of: Int(whole.magnitude))
        guard let magnitude else { throw numberTooLarge }
        let prefixes: [Unicode.Scalar: String] = ["x": "0x", "X": "0X", "o": "0o"]
        let prefix = place.isAlternate ? prefixes[place.type ?? "d"] ?? "" : ""
        let zeros = String(repeating: "0", count: max(minimum - magnitude.utf8.count, 0))
        return place.aligned(zeros + magnitude, sign: place.signText(isNegative: whole < 0) + prefix, standard: .right)
    }
}
