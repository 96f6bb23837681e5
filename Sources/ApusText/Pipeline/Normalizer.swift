import Foundation

/// What is done to a text before it is cut, as the `normalizer` of tokenizer.json names it.
enum Normalizer: Sendable, Equatable {
    /// One of Unicode's four normalisation forms.
    case form(NormalizationForm)
    /// A text is put before one that is not empty.
    case prepend(String)
    /// Every match is replaced, from left to right.
    case replace(Matcher, by: String)
    /// White space at either end goes.
    case strip(left: Bool, right: Bool)
    /// Every character becomes its lower case.
    case lowercase
    /// Marks go.
    case stripAccents
    /// Control characters go and unusual white space becomes a space, as SentencePiece's `nmt` rules have it.
    case nmt
    /// What BERT does to a text.
    case bert(BertRules)
    /// SentencePiece's table.
    case characterMap(CharacterMap)
    /// White space at either end goes, and runs of spaces become one.
    case collapseSpaces

    /// The text after it.
    func apply(to text: [UInt8]) -> [UInt8] {
        switch self {
        case .form(let form): return form.apply(to: text)
        case .prepend(let prefix): return text.isEmpty ? text : Array(prefix.utf8) + text
        case .replace(let old, let new): return text.replacing(old, with: new)
        case .strip(let left, let right):
            var scalars = String(decoding: text, as: UTF8.self).unicodeScalars[...]
            if left { scalars = scalars.drop(while: \.properties.isWhitespace) }
            if right { while scalars.last?.properties.isWhitespace == true { scalars.removeLast() } }
            return Array(String(scalars).utf8)
        case .lowercase: return text.mappingScalars { $0.properties.lowercaseMapping.unicodeScalars.map { $0 } }
        case .stripAccents: return text.mappingScalars { $0.isCombiningMark ? [] : [$0] }
        case .nmt: return text.mappingScalars(Self.nmt)
        case .bert(let rules): return rules.apply(to: text)
        case .characterMap(let map): return map.apply(to: text)
        case .collapseSpaces: return text.collapsingSpaces()
        }
    }

    /// How many bytes stand for the first character of a text where so many did before; `changed` is the text after it.
    func beginning(_ length: Int, of text: [UInt8], after changed: [UInt8]) -> Int {
        switch self {
        case .prepend(let prefix): return length + prefix.utf8.count
        case .strip(left: true, _):
            let spaces = String(decoding: text, as: UTF8.self).unicodeScalars.prefix(while: \.properties.isWhitespace)
            return max(0, length - String(spaces).utf8.count)
        case .replace(let matcher, let new): return Self.beginning(length, of: text, replacing: matcher, by: new)
        case .form, .lowercase, .stripAccents, .nmt, .bert: return apply(to: Array(text[..<length])).count
        case .characterMap(let map):
            let own = map.beginning(length, of: text)
            // To the library what follows characters that vanish stands for them.
            return own > 0 ? max(own, changed.first?.scalarLength ?? 0) : map.firstReplacement(in: text)
        case .strip, .collapseSpaces: return length
        }
    }

    /// What takes the place of several characters stands for the last of them.
    private static func beginning(_ length: Int, of text: [UInt8], replacing matcher: Matcher, by new: String) -> Int {
        var (result, at) = (0, 0)
        matcher.forEachMatch(in: text[...]) { range in
            guard at < length, range.lowerBound < length else { return }
            result += range.lowerBound - at
            at = range.upperBound
            var last = max(range.lowerBound, range.upperBound - 1)
            while last > range.lowerBound, text[last] & 0xC0 == 0x80 { last -= 1 }
            if last < length { result += new.utf8.count }
        }
        return result + max(0, length - at)
    }

    private static func nmt(_ scalar: Unicode.Scalar) -> [Unicode.Scalar] {
        switch scalar.value {
        case 1...8, 0xB, 0xE...0x1F, 0x7F, 0x8F, 0x9F: []
        case 9, 0xA, 0xC, 0xD, 0x1680, 0x200B...0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD: [" "]
        default: [scalar]
        }
    }
}

/// What BERT's normalizer does.
struct BertRules: Sendable, Equatable {
    /// Whether control characters go and white space becomes spaces.
    var cleansText = true
    /// Whether spaces are put around Chinese characters.
    var spacesChinese = true
    /// Whether accents go.
    var stripsAccents = true
    var lowercases = true

    func apply(to text: [UInt8]) -> [UInt8] {
        var text = text
        if cleansText { text = text.mappingScalars(Self.cleaned) }
        if spacesChinese { text = text.mappingScalars { Self.isChinese($0.value) ? [" ", $0, " "] : [$0] } }
        if stripsAccents {
            text = NormalizationForm.decomposed.apply(to: text)
            text = text.mappingScalars { $0.isAccent ? [] : [$0] }
        }
        return lowercases ? Normalizer.lowercase.apply(to: text) : text
    }

    private static func cleaned(_ scalar: Unicode.Scalar) -> [Unicode.Scalar] {
        if scalar == "\t" || scalar == "\n" || scalar == "\r" { return [" "] }
        if scalar.value == 0 || scalar == "\u{FFFD}" || scalar.isControlOrFormat { return [] }
        return scalar.properties.isWhitespace ? [" "] : [scalar]
    }

    /// The blocks as the library lists them, one of which begins later than Unicode's.
    private static func isChinese(_ value: UInt32) -> Bool {
        switch value {
        case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F, 0x2B740...0x2B81F,
            0x2B920...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F:
            true
        default: false
        }
    }
}

extension [UInt8] {
    /// The text with every scalar replaced by others.
    func mappingScalars(_ map: (Unicode.Scalar) -> [Unicode.Scalar]) -> [UInt8] {
        var result = String.UnicodeScalarView()
        for scalar in String(decoding: self, as: UTF8.self).unicodeScalars {
            for new in map(scalar) { result.append(new) }
        }
        return Array(String(result).utf8)
    }

    /// Without spaces at either end, and with one for each run of them.
    fileprivate func collapsingSpaces() -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(count)
        for byte in self where byte != 0x20 || !result.isEmpty && result.last != 0x20 { result.append(byte) }
        // SentencePiece looks at the end when spaces are marks already.
        let mark = Array(Metaspace.mark.utf8)
        while let last = result.last, last == 0x20 || result.suffix(mark.count).elementsEqual(mark) {
            result.removeLast(last == 0x20 ? 1 : mark.count)
        }
        return result
    }
}

/// Unicode's normalisation forms.
enum NormalizationForm: String, Sendable {
    case composed = "NFC"
    case decomposed = "NFD"
    case compatiblyComposed = "NFKC"
    case compatiblyDecomposed = "NFKD"

    func apply(to text: [UInt8]) -> [UInt8] {
        // U+0300 is CC 80, and what is below U+00A0 is the same in every form: no text of lower lead bytes needs work.
        let limit: UInt8 = self == .composed ? 0xCC : 0x80
        if text.allSatisfy({ $0 < limit }) { return text }
        let string = String(decoding: text, as: UTF8.self)
        // To the library a character that its tables do not know is the beginning of a new one and composes with none.
        let parts = string.unicodeScalars.split(maxSplits: .max, omittingEmptySubsequences: false) {
            $0.value >= 0x300 && !$0.isKnown(.normalization)
        }
        guard parts.count > 1 else { return Array(apply(to: string).utf8) }
        var result: [UInt8] = []
        for part in parts {
            result += apply(to: String(part)).utf8
            if part.endIndex < string.unicodeScalars.endIndex {
                result += String(string.unicodeScalars[part.endIndex]).utf8
            }
        }
        return result
    }

    /// Marks that are taken apart but are no marks to be put in order before, which Foundation forgets behind.
    private static let lateMarks: [Unicode.Scalar: [Unicode.Scalar]] = [
        "\u{F73}": ["\u{F71}", "\u{F72}"], "\u{F75}": ["\u{F71}", "\u{F74}"], "\u{F81}": ["\u{F71}", "\u{F80}"],
    ]

    private func apply(to string: String) -> String {
        var string = string
        if string.unicodeScalars.contains(where: { Self.lateMarks[$0] != nil }) {
            let scalars = string.unicodeScalars.flatMap { Self.lateMarks[$0] ?? [$0] }
            string = String(String.UnicodeScalarView(scalars))
        }
        // Foundation does not compose a Hangul syllable with the final consonant behind it; taken apart, they come together.
        let isApart = string.unicodeScalars.contains { (0x11A8...0x11C2).contains($0.value) }
        return switch self {
        case .composed where isApart: string.decomposedStringWithCanonicalMapping.precomposedStringWithCanonicalMapping
        case .composed: string.precomposedStringWithCanonicalMapping
        case .decomposed: string.decomposedStringWithCanonicalMapping
        case .compatiblyComposed where isApart:
            string.decomposedStringWithCompatibilityMapping.precomposedStringWithCompatibilityMapping
        case .compatiblyComposed: string.precomposedStringWithCompatibilityMapping
        case .compatiblyDecomposed: string.decomposedStringWithCompatibilityMapping
        }
    }
}
