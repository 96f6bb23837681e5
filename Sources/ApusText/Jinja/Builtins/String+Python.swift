import ApusFormats

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

    /// The lines of the text, without their ends unless these are asked for.
    func pythonLines(keepingEnds: Bool = false) -> [String] {
        var lines: [String] = []
        var line = UnicodeScalarView()
        var previous: Unicode.Scalar?
        for scalar in unicodeScalars {
            if scalar == "\n", previous == "\r" {
                if keepingEnds { lines[lines.count - 1].unicodeScalars.append(scalar) }
            } else if scalar.endsPythonLine {
                if keepingEnds { line.append(scalar) }
                lines.append(String(line))
                line = UnicodeScalarView()
            } else {
                line.append(scalar)
            }
            previous = scalar
        }
        if !line.isEmpty { lines.append(String(line)) }
        return lines
    }

    /// Text for HTML, as MarkupSafe escapes it.
    var escaped: String {
        var result = UnicodeScalarView()
        for scalar in unicodeScalars {
            switch scalar {
            case "&": result.append(contentsOf: "&amp;".unicodeScalars)
            case "<": result.append(contentsOf: "&lt;".unicodeScalars)
            case ">": result.append(contentsOf: "&gt;".unicodeScalars)
            case "'": result.append(contentsOf: "&#39;".unicodeScalars)
            case "\"": result.append(contentsOf: "&#34;".unicodeScalars)
            default: result.append(scalar)
            }
        }
        return String(result)
    }
}

// MARK: - Case

extension String {
    func cased(_ style: String) -> String {
        switch style {
        case "upper": mapped { scalar, _ in scalar.properties.uppercaseMapping }
        case "lower": mapped(lowered)
        case "capitalize":
            mapped { scalar, index in
                index == 0 ? scalar.properties.titlecaseMapping : lowered(scalar, at: index)
            }
        case "swapcase":
            mapped { scalar, index in
                if scalar.properties.isUppercase { return lowered(scalar, at: index) }
                return scalar.properties.isLowercase ? scalar.properties.uppercaseMapping : String(scalar)
            }
        default: titled()
        }
    }

    private func mapped(_ transform: (Unicode.Scalar, Int) -> String) -> String {
        var result = ""
        for (index, scalar) in unicodeScalars.enumerated() { result += transform(scalar, index) }
        return result
    }

    /// Greek's sigma has a form of its own at the end of a word.
    private func lowered(_ scalar: Unicode.Scalar, at index: Int) -> String {
        guard scalar == "Σ" else { return scalar.properties.lowercaseMapping }
        let scalars = Array(unicodeScalars)
        let before = scalars[..<index].last { !$0.properties.isCaseIgnorable }
        let behind = scalars[(index + 1)...].first { !$0.properties.isCaseIgnorable }
        return before?.properties.isCased == true && behind?.properties.isCased != true ? "ς" : "σ"
    }

    /// Each run of letters with its first in title case.
    private func titled() -> String {
        var isInWord = false
        return mapped { scalar, index in
            defer { isInWord = scalar.properties.isCased }
            return isInWord ? lowered(scalar, at: index) : scalar.properties.titlecaseMapping
        }
    }

    /// Jinja2's filter `title`, which is not Python's method: a word begins behind a space, a hyphen or an opening bracket.
    func titledByWords() -> String {
        var result = ""
        var word = ""
        for scalar in unicodeScalars {
            let separates = scalar.isPythonSpace || "-({[<".unicodeScalars.contains(scalar)
            if separates {
                result += word.withUpperFirst() + String(scalar)
                word = ""
            } else {
                word.unicodeScalars.append(scalar)
            }
        }
        return result + word.withUpperFirst()
    }

    private func withUpperFirst() -> String {
        guard let first = unicodeScalars.first else { return "" }
        return first.properties.uppercaseMapping + String(unicodeScalars.dropFirst()).cased("lower")
    }
}

// MARK: - Kinds

extension String {
    private static let kinds: [String: @Sendable (Unicode.Scalar) -> Bool] = [
        "isdecimal": { $0.properties.numericType == .decimal },
        "isdigit": { $0.properties.numericType == .decimal || $0.properties.numericType == .digit },
        "isnumeric": { $0.properties.numericType != nil },
        "isspace": { $0.isPythonSpace },
        "isalpha": { ScalarClass($0) == .letter },
        "isalnum": { ScalarClass($0) == .letter || $0.properties.numericType != nil },
    ]

    /// Whether the text is of one kind, by the name of Python's method; false for a text of nothing, mostly.
    func isMade(of method: String) -> Bool {
        if let kind = Self.kinds[method] { return !isEmpty && unicodeScalars.allSatisfy(kind) }
        switch method {
        case "isascii": return unicodeScalars.allSatisfy(\.isASCII)
        case "isprintable": return unicodeScalars.allSatisfy(\.isPythonPrintable)
        case "isidentifier":
            guard let first = unicodeScalars.first else { return false }
            return first.beginsName && unicodeScalars.allSatisfy(\.continuesName)
        case "isupper": return isCased(\.isUppercase, never: \.isLowercase)
        case "islower": return isCased(\.isLowercase, never: \.isUppercase)
        default: return isTitled
        }
    }

    private func isCased(
        _ wanted: KeyPath<Unicode.Scalar.Properties, Bool>, never: KeyPath<Unicode.Scalar.Properties, Bool>
    ) -> Bool {
        unicodeScalars.allSatisfy { !$0.properties[keyPath: never] && !$0.isTitle }
            && unicodeScalars.contains { $0.properties[keyPath: wanted] }
    }

    private var isTitled: Bool {
        var isInWord = false
        var hasWords = false
        for scalar in unicodeScalars {
            if scalar.properties.isUppercase || scalar.isTitle {
                guard !isInWord else { return false }
                isInWord = true
            } else if scalar.properties.isLowercase {
                guard isInWord else { return false }
            } else {
                isInWord = false
            }
            hasWords = hasWords || isInWord
        }
        return hasWords
    }
}

extension Unicode.Scalar {
    /// White space as `str.isspace` has it: Unicode's, and the four separators of ASCII.
    var isPythonSpace: Bool { properties.isWhitespace || (0x1C...0x1F).contains(value) }

    /// What `str.splitlines` ends lines at.
    var endsPythonLine: Bool {
        switch value {
        case 0x0A...0x0D, 0x1C...0x1E, 0x85, 0x2028, 0x2029: true
        default: false
        }
    }

    /// Whether `repr` writes the scalar as it is.
    var isPythonPrintable: Bool {
        switch properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        case .spaceSeparator: self == " "
        default: true
        }
    }

    /// The escape that `repr` writes in place of the scalar.
    var pythonEscape: String {
        let (mark, width) = value < 0x100 ? ("\\x", 2) : value < 0x10000 ? ("\\u", 4) : ("\\U", 8)
        return mark + value.hexadecimal(width: width)
    }

    /// Whether a name of Python's can begin with the scalar.
    var beginsName: Bool { self == "_" || properties.isXIDStart }

    var continuesName: Bool { properties.isXIDContinue }

    fileprivate var isTitle: Bool { properties.generalCategory == .titlecaseLetter }
}
