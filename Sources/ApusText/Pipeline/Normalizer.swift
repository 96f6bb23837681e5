import Foundation

/// What is done to a text before it is cut, as the `normalizer` of tokenizer.json names it.
enum Normalizer: Sendable, Equatable {
    /// One of Unicode's four normalisation forms.
    case form(NormalizationForm)
    /// A text is put before one that is not empty.
    case prepend(String)
    /// Every occurrence is replaced, from left to right.
    case replace(String, by: String)
    /// White space at either end goes.
    case strip(left: Bool, right: Bool)
    /// Every character becomes its lower case.
    case lowercase

    /// The text after it.
    func apply(to text: [UInt8]) -> [UInt8] {
        switch self {
        case .form(let form): return form.apply(to: text)
        case .prepend(let prefix): return text.isEmpty ? text : Array(prefix.utf8) + text
        case .replace(let old, let new): return text.replacing(Array(old.utf8), with: Array(new.utf8))
        case .strip(let left, let right):
            var scalars = String(decoding: text, as: UTF8.self).unicodeScalars[...]
            if left { scalars = scalars.drop(while: \.properties.isWhitespace) }
            if right { while scalars.last?.properties.isWhitespace == true { scalars.removeLast() } }
            return Array(String(scalars).utf8)
        case .lowercase:
            let lower = String(decoding: text, as: UTF8.self).unicodeScalars.map(\.properties.lowercaseMapping)
            return Array(lower.joined().utf8)
        }
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
        let result =
            switch self {
            case .composed: string.precomposedStringWithCanonicalMapping
            case .decomposed: string.decomposedStringWithCanonicalMapping
            case .compatiblyComposed: string.precomposedStringWithCompatibilityMapping
            case .compatiblyDecomposed: string.decomposedStringWithCompatibilityMapping
            }
        return Array(result.utf8)
    }
}
