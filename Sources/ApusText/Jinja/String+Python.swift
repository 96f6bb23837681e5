/// Python's string methods, which work on scalars where Swift's work on characters.
extension String {
    /// Without white space, or without the scalars of `set`, at its ends.
    func stripped(of set: String?, left: Bool = true, right: Bool = true) -> String {
        let unwanted = set.map { Set($0.unicodeScalars) }
        func isUnwanted(_ scalar: Unicode.Scalar) -> Bool { unwanted?.contains(scalar) ?? scalar.isPythonSpace }
        var rest = unicodeScalars[...]
        if left { rest = rest.drop(while: isUnwanted) }
        if right { while let last = rest.last, isUnwanted(last) { rest.removeLast() } }
        return String(rest)
    }

    func startsScalarwise(with part: String) -> Bool { utf8.starts(with: part.utf8) }

    func endsScalarwise(with part: String) -> Bool { utf8.reversed().starts(with: part.utf8.reversed()) }

    func cased(_ style: String) -> String {
        switch style {
        case "upper": uppercased()
        case "lower": lowercased()
        case "capitalize":
            String(unicodeScalars.prefix(1)).uppercased() + String(unicodeScalars.dropFirst()).lowercased()
        default: titled()
        }
    }

    /// Each run of letters with its first in upper case.
    private func titled() -> String {
        var result = ""
        var isInWord = false
        for scalar in unicodeScalars {
            result += isInWord ? String(scalar).lowercased() : String(scalar).uppercased()
            isInWord = scalar.properties.isAlphabetic
        }
        return result
    }

    /// Jinja2's filter `title`, which is not Python's method: a word begins behind a space, a hyphen or an opening bracket.
    func titledByWords() -> String {
        var result = ""
        var isInWord = false
        for scalar in unicodeScalars {
            let separates = scalar.isPythonSpace || "-({[<".unicodeScalars.contains(scalar)
            result += isInWord && !separates ? String(scalar).lowercased() : String(scalar).uppercased()
            isInWord = !separates
        }
        return result
    }

    /// The lines of the text, without their ends.
    func pythonLines() -> [String] {
        var lines: [String] = []
        var line = UnicodeScalarView()
        var previous: Unicode.Scalar?
        for scalar in unicodeScalars {
            switch scalar {
            case "\n" where previous == "\r": break
            case "\n", "\r", "\u{0B}", "\u{0C}", "\u{1C}", "\u{1D}", "\u{1E}", "\u{85}", "\u{2028}", "\u{2029}":
                lines.append(String(line))
                line = UnicodeScalarView()
            default: line.append(scalar)
            }
            previous = scalar
        }
        if !line.isEmpty { lines.append(String(line)) }
        return lines
    }

    /// Whether the text is not empty and all of one kind, by the name of Python's method.
    func isMade(of method: String) -> Bool {
        !isEmpty
            && unicodeScalars.allSatisfy { scalar in
                switch method {
                case "isdigit": scalar.properties.numericType == .decimal || scalar.properties.numericType == .digit
                case "isspace": scalar.isPythonSpace
                case "isalpha": ScalarClass(scalar) == .letter
                default: ScalarClass(scalar) == .letter || scalar.properties.numericType != nil
                }
            }
    }
}

extension Unicode.Scalar {
    /// White space as `str.isspace` has it: Unicode's, and the four separators of ASCII.
    var isPythonSpace: Bool { properties.isWhitespace || (0x1C...0x1F).contains(value) }
}
