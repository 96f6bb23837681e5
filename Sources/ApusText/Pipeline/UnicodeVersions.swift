/// What the tables of the libraries that tokenize know: each was made from its own version of Unicode, and a character that is
/// newer is none of any kind to it. Found by asking `tokenizers` about every character.
enum UnicodeVersion: Int {
    /// Which categories punctuation and the accents of BERT's normalizer are of.
    case categories = 8
    /// What is normalised, and the marks that `StripAccents` takes.
    case normalization = 9
    /// What regular expressions know.
    case expressions = 16
}

extension Unicode.Scalar {
    /// Whether the character was there in a version.
    func isKnown(_ version: UnicodeVersion) -> Bool {
        if value < 0x80 { return true }
        guard let age = properties.age else { return false }
        return age.major < version.rawValue || age.major == version.rawValue && age.minor == 0
    }

    /// `\w` of Rust's regular expressions.
    var isWord: Bool {
        if isASCII { return (0x30...0x39).contains(value) || (0x61...0x7A).contains(value | 0x20) || value == 0x5F }
        return (isWordInExpression && !isLatinNumber) || properties.isJoinControl
    }

    /// `\w` of Oniguruma, to which the numbers of Latin-1 are words.
    var isWordInExpression: Bool {
        guard isKnown(.expressions) else { return false }
        switch properties.generalCategory {
        case .decimalNumber, .connectorPunctuation, .nonspacingMark, .spacingMark, .enclosingMark: return true
        default: return properties.isAlphabetic || isLatinNumber
        }
    }

    private var isLatinNumber: Bool { [0xB2, 0xB3, 0xB9, 0xBC, 0xBD, 0xBE].contains(value) }

    /// What Rust calls numeric.
    var isNumber: Bool {
        switch properties.generalCategory {
        case .decimalNumber, .letterNumber, .otherNumber: true
        default: false
        }
    }

    /// Unicode's punctuation, and what else ASCII has of it.
    var isPunctuation: Bool {
        if isASCII {
            return (0x21...0x2F).contains(value) || (0x3A...0x40).contains(value) || (0x5B...0x60).contains(value)
                || (0x7B...0x7E).contains(value)
        }
        switch properties.generalCategory {
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
            .finalPunctuation, .otherPunctuation:
            return isKnown(.categories)
        // Later versions call these otherwise.
        default: return value == 0x166D || value == 0x111C9
        }
    }

    /// The marks that `StripAccents` takes.
    var isCombiningMark: Bool {
        switch properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark: isKnown(.normalization) && value != 0x111C9
        default: value == 0x1CF2 || value == 0x1CF3
        }
    }

    /// The marks that BERT's normalizer takes.
    var isAccent: Bool {
        switch properties.generalCategory {
        case .nonspacingMark: isKnown(.categories) && ![0x1885, 0x1886, 0xA9BD, 0x111C9].contains(value)
        default: value == 0x1734 || value == 0x1171E
        }
    }

    /// What BERT's normalizer takes for control characters.
    var isControlOrFormat: Bool {
        switch properties.generalCategory {
        case .control, .format, .privateUse, .surrogate: isKnown(.categories)
        default: false
        }
    }
}
