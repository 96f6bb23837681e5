internal import Foundation

extension Interpreter {
    static let numberFilters: [String: Filter] = [
        "int": wholeNumber,
        "float": floatingNumber,
        "abs": absolute,
        "round": rounded,
        "filesizeformat": fileSize,
    ]

    private func wholeNumber(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        let values = try bind(arguments, of: "int", "default", "base")
        let standard = values[0] ?? .integer(0)
        if case .undefined = value { throw failure("\(value.kind) is no number") }
        if let whole = value.wholeNumber { return .integer(whole) }
        if case .bigInteger = value { return value }
        if let text = value.text, let base = (values[1] ?? .integer(10)).wholeNumber,
            let whole = try text.pythonInteger(base: base, self)
        {
            return .integer(whole)
        }
        guard let number = value.text.map(\.pythonNumber) ?? value.floatingNumber, number.isFinite else {
            return standard
        }
        guard let whole = Int(exactly: number.rounded(.towardZero)) else { throw numberTooLarge }
        return .integer(whole)
    }

    private func floatingNumber(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        let standard = try bind(arguments, of: "float", "default")[0] ?? .number(0)
        if case .undefined = value { throw failure("\(value.kind) is no number") }
        if let text = value.text { return text.pythonNumber.map(Value.number) ?? standard }
        return value.floatingNumber.map(Value.number) ?? standard
    }

    private func absolute(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        _ = try bind(arguments, of: "abs")
        guard value.floatingNumber != nil else { throw failure("'abs' wants a number, found \(value.kind)") }
        if case .number(let number) = value { return .number(abs(number)) }
        return value.floatingNumber ?? 0 < 0 ? try negate(value) : try number(value)
    }

    private func rounded(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        let values = try bind(arguments, of: "round", "precision", "method")
        let precision = try optionalNumber(values[0], of: "round") ?? 0
        let method = try values[1].map { value throws(TextError) in try requiredText(value, of: "round") } ?? "common"
        guard let number = value.floatingNumber else { throw failure("'round' wants a number, found \(value.kind)") }
        if case .bigInteger = value { throw numberTooLarge }
        switch method {
        case "common":
            if let whole = value.wholeNumber { return .integer(try rounded(whole, precision)) }
            return .number(try rounded(number, precision))
        case "ceil", "floor":
            guard (-300...300).contains(precision) else { throw failure("'round' wants a precision within 300 digits") }
            // As Python computes it: a whole power of ten for places behind the point, a fraction for those before it.
            let power = precision < 0 ? 1 / pow(10, Double(-precision)) : pow(10, Double(precision))
            let scaled = number * power
            guard scaled.isFinite else { throw failure("'round' wants a number that is finite") }
            return .number(scaled.rounded(method == "ceil" ? .up : .down) / power)
        default: throw failure("'round' knows the methods common, ceil and floor, not '\(method)'")
        }
    }

    /// Halves go to the even neighbour, and only what is exactly in the middle counts as a half.
    private func rounded(_ value: Double, _ precision: Int) throws(TextError) -> Double {
        guard value.isFinite else {
            return value
        }
        guard precision < 330 else { return value }
        guard precision > -310 else { return copysign(0, value) }
        if precision >= 0 { return Double(String(format: "%.\(precision)f", value)) ?? value }
        guard let whole = Int(exactly: value.rounded(.towardZero)) else {
            throw unsupported("'round' to tens is supported up to 64 bits")
        }
        let unit = power(ofTen: -precision)
        guard let unit else { return copysign(0, value) }
        let lower = Double(whole - whole % unit)
        let distance = abs(value - lower)
        let half = Double(unit) / 2
        let isUp = distance > half || (distance == half && (whole / unit) % 2 != 0)
        return isUp ? lower + copysign(Double(unit), value) : copysign(lower, value)
    }

    private func rounded(_ value: Int, _ precision: Int) throws(TextError) -> Int {
        guard precision < 0 else { return value }
        guard let unit = power(ofTen: -precision) else { return 0 }
        let rest = ((value % unit) + unit) % unit
        let (lower, underflow) = value.subtractingReportingOverflow(rest)
        guard !underflow else { throw numberTooLarge }
        let isUp = rest > unit - rest || (rest == unit - rest && (lower / unit) % 2 != 0)
        let (result, overflow) = isUp ? lower.addingReportingOverflow(unit) : (lower, false)
        guard !overflow else { throw numberTooLarge }
        return result
    }

    private func power(ofTen exponent: Int) -> Int? {
        guard exponent <= 18 else { return nil }
        return (0..<exponent).reduce(1) { power, _ in power * 10 }
    }

    private func fileSize(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        let isBinary = try bind(arguments, of: "filesizeformat", "binary")[0]?.isTrue ?? false
        guard let bytes = value.text.map(\.pythonNumber) ?? value.floatingNumber else {
            throw failure("'filesizeformat' wants a number, found \(value.kind)")
        }
        let base: Double = isBinary ? 1024 : 1000
        if bytes == 1 { return .string("1 Byte") }
        guard bytes >= base else {
            guard let whole = Int(exactly: bytes.rounded(.towardZero)) else { throw failure("a size is no number") }
            return .string("\(whole) Bytes")
        }
        let prefixes =
            isBinary
            ? ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"]
            : ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"]
        var unit = base
        var index = 0
        repeat {
            unit = pow(base, Double(index + 2))
            index += 1
            // The double of this one power of ten lies below it.
        } while (bytes > unit || (bytes == unit && unit != 1e24)) && index < prefixes.count
        return .string(String(format: "%.1f ", base * bytes / unit) + prefixes[index - 1])
    }
}

extension String {
    /// The number that Python's `float` reads.
    fileprivate var pythonNumber: Double? {
        guard let text = withoutUnderscores(stripped(of: nil)) else { return nil }
        let plain = text.lowercased()
        let unsigned = plain.hasPrefix("+") || plain.hasPrefix("-") ? String(plain.dropFirst()) : plain
        switch unsigned {
        case "inf", "infinity": return plain.hasPrefix("-") ? -.infinity : .infinity
        case "nan": return .nan
        default:
            // Swift reads hexadecimal numbers too, and takes overflow for no number.
            guard unsigned.utf8.allSatisfy({ "0123456789.e+-".utf8.contains($0) }) else { return nil }
            return strtodWhole(plain)
        }
    }

    private func strtodWhole(_ text: String) -> Double? {
        guard let first = text.utf8.first(where: { $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }),
            first != UInt8(ascii: "e")
        else { return nil }
        return text.withCString { start in
            var end: UnsafeMutablePointer<CChar>?
            let value = strtod(start, &end)
            return end.map { $0.pointee == 0 && $0 != start } == true ? value : nil
        }
    }

    /// Underscores stand between digits only.
    private func withoutUnderscores(_ text: String) -> String? {
        let scalars = Array(text.unicodeScalars)
        for (index, scalar) in scalars.enumerated() where scalar == "_" {
            guard index > 0, index + 1 < scalars.count, scalars[index - 1].properties.isASCIIHexDigit,
                scalars[index + 1].properties.isASCIIHexDigit
            else { return nil }
        }
        return text.replacing("_", with: "")
    }

    /// The number that Python's `int` reads.
    fileprivate func pythonInteger(base: Int, _ interpreter: Interpreter) throws(TextError) -> Int? {
        guard (2...36).contains(base) || base == 0 else { return nil }
        let trimmed = stripped(of: nil)
        let hasSign = trimmed.hasPrefix("+") || trimmed.hasPrefix("-")
        let sign = trimmed.hasPrefix("-") ? "-" : ""
        var digits = hasSign ? String(trimmed.dropFirst()) : trimmed
        let marks = ["0b": 2, "0o": 8, "0x": 16]
        var radix = base
        if let marked = marks[String(digits.prefix(2)).lowercased()], base == 0 || base == marked {
            radix = marked
            digits = String(digits.dropFirst(2))
            if digits.hasPrefix("_") { digits.removeFirst() }
        } else if base == 0 {
            radix = 10
        }
        guard !digits.hasPrefix("+"), !digits.hasPrefix("-") else { return nil }
        let ascii = digits.asciiDigits
        guard let plain = withoutUnderscores(ascii), !plain.isEmpty else { return nil }
        if let value = Int(sign + plain, radix: radix) { return value }
        guard plain.allSatisfy({ $0.isHexDigit && Int(String($0), radix: radix) != nil }) else { return nil }
        throw interpreter.numberTooLarge
    }

    /// Digits of all scripts are digits to Python.
    private var asciiDigits: String {
        var result = UnicodeScalarView()
        for scalar in unicodeScalars {
            if !scalar.isASCII, scalar.properties.numericType == .decimal, let value = scalar.properties.numericValue {
                result.append(contentsOf: String(value.wholeNumber(in: 0...9)).unicodeScalars)
            } else {
                result.append(scalar)
            }
        }
        return String(result)
    }
}
