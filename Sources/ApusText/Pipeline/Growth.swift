/// How much longer the steps of a tokenizer may make a text: a file of a few lines could have each letter become two, and those
/// four, until no memory is left.
struct Growth: Equatable {
    /// More than any tokenizer that was made for use.
    private static let limit = Growth(factor: 1 << 13, extra: 1 << 20)

    /// How many times as long.
    var factor = 1
    /// By how many bytes beside.
    var extra = 0

    var isBounded: Bool { factor <= Self.limit.factor && extra <= Self.limit.extra }

    /// One step after the other; what is beyond all bounds stays as it is.
    static func * (first: Self, second: Self) -> Self {
        guard first.isBounded, second.isBounded else { return first.isBounded ? second : first }
        return Growth(factor: first.factor * second.factor, extra: first.extra * second.factor + second.extra)
    }

    /// That of replacing texts of so many bytes.
    fileprivate static func replacing(_ count: Int, by new: String) -> Self {
        count == 0 ? Growth() : Growth(factor: max(1, (new.utf8.count + count - 1) / count))
    }
}

extension TokenizerDefinition {
    /// That of everything before pieces become tokens.
    var encodingGrowth: Growth {
        cuttings.map(\.growth).reduce(normalizers.map(\.growth).reduce(Growth(), *), *)
    }

    /// That of the text of a token.
    var decodingGrowth: Growth {
        guard case .plain(let spelling) = spelling else { return Growth() }
        return spelling.decoding.steps.map(\.growth).reduce(Growth(), *)
    }
}

extension Normalizer {
    fileprivate var growth: Growth {
        switch self {
        case .form(.composed), .form(.decomposed): Growth(factor: 3)
        case .form: Growth(factor: 11)
        case .prepend(let prefix): Growth(extra: prefix.utf8.count)
        case .replace(.text(let old), let new): .replacing(old.utf8.count, by: new)
        // A match may be empty.
        case .replace(_, let new): Growth(factor: 1 + new.utf8.count, extra: new.utf8.count)
        case .lowercase: Growth(factor: 2)
        case .bert: Growth(factor: 12)
        case .characterMap(let map): Growth(factor: max(1, map.longestReplacement))
        case .strip, .stripAccents, .nmt, .collapseSpaces: Growth()
        }
    }
}

extension Cutting {
    /// Each piece may get a mark, and be cut anew behind it.
    fileprivate var growth: Growth {
        switch self {
        case .metaspace(let metaspace): Growth(factor: 1 + metaspace.replacement.utf8.count)
        default: Growth()
        }
    }
}

extension PieceDecoding.Step {
    fileprivate var growth: Growth {
        switch self {
        case .replace(let old, let new): .replacing(old.utf8.count, by: new)
        case .wordPiece: Growth(extra: 1)
        case .metaspace, .strip: Growth()
        }
    }
}
