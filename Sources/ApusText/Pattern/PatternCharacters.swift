/// Which letters are the same when case is ignored.
enum PatternCasing {
    /// Case counts.
    case exact
    case ascii
    case unicode

    init(_ flags: PythonPattern.Flags) {
        self = !flags.contains(.ignoreCase) ? .exact : flags.contains(.ascii) ? .ascii : .unicode
    }

    /// Whether the code point has another case.
    func folds(_ value: UInt32) -> Bool {
        switch self {
        case .exact: false
        case .ascii: value < 0x80 && Self.letters.cased.contains(value)
        case .unicode: Self.letters.cased.contains(value)
        }
    }

    /// Whether the item holds code points that have another case.
    func folds(_ item: PatternItem) -> Bool {
        switch item {
        case .category: false
        case .literal(let value): folds(value)
        case .range(let first, let last):
            self != .exact && (last > 0xFFFF || Self.letters.cased.contains { first <= $0 && $0 <= last && folds($0) })
        }
    }

    /// The small letter, by Unicode's simple mapping.
    func lower(_ value: UInt32) -> UInt32 {
        if self == .exact { return value }
        if value < 0x80 { return (0x41...0x5A).contains(value) ? value + 0x20 : value }
        return self == .ascii ? value : Self.letters.small[value] ?? value
    }

    /// The first code point of `str.upper()`, which is what Python's matcher takes.
    static func upper(_ value: UInt32) -> UInt32 {
        Unicode.Scalar(value)?.properties.uppercaseMapping.unicodeScalars.first?.value ?? value
    }

    /// These and what else a small letter may be to stand for one of them.
    func closure(_ ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
        let ranges = PatternSet.merged(ranges)
        switch self {
        case .exact: return ranges
        case .ascii: return ranges + (0x41...0x5A).filter { ranges.holds($0) }.map { $0 + 0x20...$0 + 0x20 }
        case .unicode:
            let small = Self.letters.small.filter { ranges.holds($0.key) }.map { $0.value...$0.value }
            let all = PatternSet.merged(ranges + small)
            let others = Self.letters.others.filter { all.holds($0.key) }.values.joined().map { $0...$0 }
            return PatternSet.merged(all + others)
        }
    }

    private struct Letters {
        /// Small letters by their capitals.
        var small: [UInt32: UInt32] = [:]
        var cased: Set<UInt32> = []
        /// Small letters by others with the same capital, such as "s" and "ſ", "µ" and "μ", "σ" and "ς".
        var others: [UInt32: [UInt32]] = [:]
    }

    private static let letters: Letters = {
        var letters = Letters()
        // By code points: Swift's strings take other spellings of the same capital for equal.
        var families: [[Unicode.Scalar]: [UInt32]] = [:]
        // No letter beyond has case.
        for value in UInt32(0)..<0x20000 {
            guard let properties = Unicode.Scalar(value)?.properties else { continue }
            if properties.changesWhenLowercased, let small = properties.lowercaseMapping.unicodeScalars.first?.value {
                letters.small[value] = small
            } else if properties.changesWhenUppercased {
                families[Array(properties.uppercaseMapping.unicodeScalars), default: []].append(value)
            } else {
                continue
            }
            letters.cased.insert(value)
        }
        for family in families.values where family.count > 1 {
            for letter in family { letters.others[letter] = family.filter { $0 != letter } }
        }
        return letters
    }()
}

extension PatternCategory {
    /// `\d`, `\s` and `\w`, which are `str.isdecimal`, `str.isspace`, and `str.isalnum` or an underscore.
    func contains(_ value: UInt32, isASCII: Bool) -> Bool {
        if value >= 0x80 {
            guard !isASCII, let scalar = Unicode.Scalar(value) else { return false }
            return switch self {
            case .digit: scalar.properties.numericType == .decimal
            case .space: scalar.isPythonSpace
            case .word: scalar.isPythonAlphanumeric
            }
        }
        switch self {
        case .digit: return (0x30...0x39).contains(value)
        case .space: return (9...13).contains(value) || value == 32 || !isASCII && (0x1C...0x1F).contains(value)
        case .word:
            return (0x30...0x39).contains(value) || (0x61...0x7A).contains(value | 0x20) || value == 0x5F
        }
    }
}

extension Unicode.Scalar {
    /// `str.isalnum()`
    fileprivate var isPythonAlphanumeric: Bool {
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber: true
        default: properties.numericType != nil
        }
    }
}

/// A set of code points, ready to be asked.
struct PatternSet: Sendable {
    private let isNegated: Bool
    private let isASCII: Bool
    private let casing: PatternCasing
    private let categories: [(category: PatternCategory, isNegated: Bool)]
    private let ranges: [ClosedRange<UInt32>]
    /// Ranges that reach beyond U+FFFF while case is ignored: Python asks them about the capital too.
    private var wideRanges: [ClosedRange<UInt32>] = []
    /// A bit for each ASCII code point: what nearly every text consists of.
    private var low: UInt64 = 0
    private var high: UInt64 = 0

    init(_ items: [PatternItem], isNegated: Bool, flags: PythonPattern.Flags) {
        self.isNegated = isNegated
        isASCII = flags.contains(.ascii)
        casing = PatternCasing(flags)
        var categories: [(category: PatternCategory, isNegated: Bool)] = []
        var ranges: [ClosedRange<UInt32>] = []
        var unchanged: [ClosedRange<UInt32>] = []
        for item in items {
            switch item {
            case .category(let category, let isNegated):
                let isKnown = categories.contains { $0 == (category, isNegated) }
                if !isKnown { categories.append((category, isNegated)) }
            // Beyond U+FFFF, Python forgets to make the small letter.
            case .literal(let value) where value > 0xFFFF: unchanged.append(value...value)
            case .literal(let value): ranges.append(value...value)
            case .range(let first, let last) where last > 0xFFFF && casing != .exact:
                wideRanges.append(first...last)
                if first <= 0xFFFF { ranges.append(first...0xFFFF) }
            case .range(let first, let last): ranges.append(first...last)
            }
        }
        self.categories = categories
        wideRanges = Self.merged(wideRanges)
        self.ranges = Self.merged(casing.closure(ranges) + unchanged)
        for value in UInt32(0)..<64 {
            if search(value) { low |= 1 << value }
            if search(value + 64) { high |= 1 << value }
        }
    }

    func contains(_ value: UInt32) -> Bool {
        if value < 64 { return low >> value & 1 == 1 }
        if value < 128 { return high >> (value - 64) & 1 == 1 }
        return search(value)
    }

    private func search(_ original: UInt32) -> Bool {
        let value = casing.lower(original)
        let isMember =
            ranges.holds(value)
            || categories.contains { $0.category.contains(value, isASCII: isASCII) != $0.isNegated }
            || !wideRanges.isEmpty && (wideRanges.holds(value) || wideRanges.holds(PatternCasing.upper(value)))
        return isMember != isNegated
    }

    /// The same values in order, so that they can be searched by halving.
    static func merged(_ ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
        var merged: [ClosedRange<UInt32>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = merged.last, range.lowerBound <= last.upperBound {
                merged[merged.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        return merged
    }
}

extension [ClosedRange<UInt32>] {
    /// Whether one of these ranges, which are in order, has the value.
    fileprivate func holds(_ value: UInt32) -> Bool {
        var rest = self[...]
        while !rest.isEmpty {
            let middle = (rest.startIndex + rest.endIndex) / 2
            if rest[middle].contains(value) { return true }
            rest = value < rest[middle].lowerBound ? rest[..<middle] : rest[(middle + 1)...]
        }
        return false
    }
}
