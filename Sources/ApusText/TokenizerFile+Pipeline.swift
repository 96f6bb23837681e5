import ApusFormats
import Foundation

/// What tokenizer.json says is done to a text before its model sees it.
extension TokenizerFile {
    // MARK: Normalizers

    /// The steps of 'normalizer'.
    func normalizers() throws(TextError) -> [Normalizer] {
        var normalizers: [Normalizer] = []
        for step in flatten(root["normalizer"] ?? .null, list: "normalizers") {
            if let normalizer = try normalizer(step) { normalizers.append(normalizer) }
        }
        return normalizers
    }

    private func normalizer(_ step: JSONValue) throws(TextError) -> Normalizer? {
        let type = step["type"]?.string ?? ""
        if let form = NormalizationForm(rawValue: type) { return .form(form) }
        switch type {
        case "Prepend": return .prepend(step["prepend"]?.string ?? "")
        case "Replace":
            guard let new = step["content"]?.string else { throw malformed("a 'Replace' normalizer lacks 'content'") }
            return .replace(try matcher(step), by: new)
        case "Lowercase": return .lowercase
        case "StripAccents": return .stripAccents
        case "Nmt": return .nmt
        case "Strip":
            return .strip(left: step["strip_left"]?.bool ?? true, right: step["strip_right"]?.bool ?? true)
        case "BertNormalizer":
            let lowercases = step["lowercase"]?.bool ?? true
            return .bert(
                BertRules(
                    cleansText: step["clean_text"]?.bool ?? true,
                    spacesChinese: step["handle_chinese_chars"]?.bool ?? true,
                    stripsAccents: step["strip_accents"]?.bool ?? lowercases, lowercases: lowercases))
        case "Precompiled":
            guard let text = step["precompiled_charsmap"]?.string else { return nil }
            guard let bytes = Data(base64Encoded: text), let map = CharacterMap([UInt8](bytes), reading: .graphemes)
            else { throw malformed("the 'precompiled_charsmap' is damaged") }
            return .characterMap(map)
        default: throw unsupported("a '\(type)' normalizer")
        }
    }

    /// What a step looks for: `{"String": …}` or `{"Regex": …}`.
    private func matcher(_ step: JSONValue) throws(TextError) -> Matcher {
        if let text = step["pattern"]?["String"]?.string { return .text(text) }
        guard let source = step["pattern"]?["Regex"]?.string else {
            throw malformed("a '\(step["type"]?.string ?? "")' step has no pattern")
        }
        do throws(PatternError) {
            return .expression(try SplitExpression(source))
        } catch {
            throw unsupported("the split pattern \(source) (\(error))")
        }
    }

    // MARK: Cutting

    /// The steps of 'pre_tokenizer'. Characters that stand for bytes are put in place of the bytes when tokens are looked up,
    /// so that step must be the last.
    func cuttings() throws(TextError) -> [Cutting] {
        var cuttings: [Cutting] = []
        let steps = flatten(root["pre_tokenizer"] ?? .null, list: "pretokenizers")
        for (place, step) in steps.enumerated() {
            if step["type"]?.string == "ByteLevel", place + 1 < steps.count {
                throw unsupported("a 'ByteLevel' step that is not the last of 'pre_tokenizer'")
            }
            cuttings += try cutting(step)
        }
        return cuttings
    }

    private func cutting(_ step: JSONValue) throws(TextError) -> [Cutting] {
        switch step["type"]?.string ?? "" {
        case "Metaspace": return [.metaspace(try metaspace(step))]
        case "Split": return try split(step)
        case "ByteLevel":
            let begins: [Cutting] = step["add_prefix_space"]?.bool ?? true ? [.leadingSpace] : []
            return begins + (step["use_regex"]?.bool ?? true ? [.pattern(.gpt2)] : [])
        case "Digits":
            return [.characters(.digit, step["individual_digits"]?.bool ?? false ? .isolated : .contiguous)]
        case "Punctuation": return [.characters(.punctuation, try behavior(step, or: .isolated))]
        case "Whitespace": return [.words]
        case "WhitespaceSplit": return [.characters(.whiteSpace, .removed)]
        case "BertPreTokenizer": return [.characters(.whiteSpace, .removed), .characters(.punctuation, .isolated)]
        case "CharDelimiterSplit":
            let scalars = step["delimiter"]?.string?.unicodeScalars
            guard let scalars, scalars.count == 1, let delimiter = scalars.first else {
                throw malformed("the 'delimiter' of a 'CharDelimiterSplit' is not one character")
            }
            return [.characters(.only(delimiter), .removed)]
        case let type: throw unsupported("a '\(type)' step in 'pre_tokenizer'")
        }
    }

    private func behavior(_ step: JSONValue, or other: SplitBehavior? = nil) throws(TextError) -> SplitBehavior {
        guard let name = step["behavior"]?.string else {
            guard let other else { throw malformed("a 'Split' lacks its 'behavior'") }
            return other
        }
        guard let behavior = SplitBehavior(name: name) else { throw unsupported("the behavior '\(name)' of a step") }
        return behavior
    }

    private func split(_ step: JSONValue) throws(TextError) -> [Cutting] {
        let (behavior, isInverted) = (try behavior(step), step["invert"]?.bool ?? false)
        if let source = step["pattern"]?["Regex"]?.string, let known = SplitPattern(expression: source),
            isInverted ? behavior == .removed : behavior == .isolated
        {
            return [.pattern(known)]
        }
        return [.division(Division(matcher: try matcher(step), behavior: behavior, isInverted: isInverted))]
    }

    /// Older files say `add_prefix_space` and newer ones `prepend_scheme`.
    private func metaspace(_ step: JSONValue) throws(TextError) -> Metaspace {
        var metaspace = Metaspace()
        if let replacement = step["replacement"]?.string {
            guard replacement.unicodeScalars.count == 1 else {
                throw malformed("the 'replacement' of a 'Metaspace' is not one character")
            }
            metaspace.replacement = replacement
        }
        if let scheme = step["prepend_scheme"]?.string {
            guard let known = Metaspace.Scheme(rawValue: scheme) else { throw unsupported("the scheme '\(scheme)'") }
            metaspace.scheme = known
        } else if step["add_prefix_space"]?.bool == false {
            metaspace.scheme = .never
        }
        metaspace.splits = step["split"]?.bool ?? true
        return metaspace
    }

    // MARK: How tokens stand for text

    /// How tokens stand for text: 'pre_tokenizer' and 'decoder' say so.
    func spelling(_ model: ModelFile) throws(TextError) -> Spelling {
        let steps = flatten(root["decoder"] ?? .null, list: "decoders")
        let cuts = flatten(root["pre_tokenizer"] ?? .null, list: "pretokenizers")
        let areBytesCut = cuts.contains { $0["type"]?.string == "ByteLevel" }
        let areBytesDecoded = steps.contains { $0["type"]?.string == "ByteLevel" }
        guard areBytesCut || areBytesDecoded else { return .plain(model.spelling(try pieceDecoding(steps))) }
        guard areBytesCut, steps.isEmpty || areBytesDecoded && steps.count == 1 else {
            throw unsupported("'ByteLevel' in one of 'pre_tokenizer' and 'decoder' beside other steps in the other")
        }
        if model.fallsBackToBytes { throw unsupported("'byte_fallback' without a decoder for it") }
        return .byteLevel
    }

    private func pieceDecoding(_ steps: [JSONValue]) throws(TextError) -> PieceDecoding {
        var decoding = PieceDecoding()
        if steps.isEmpty { decoding.separator = " " }
        var isFused = false
        for step in steps {
            let type = step["type"]?.string ?? ""
            let isOfPieces = !isFused && !decoding.joinsBytes
            switch type {
            case "Replace" where isOfPieces:
                guard let mark = step["pattern"]?["String"]?.string, !mark.isEmpty, let new = step["content"]?.string
                else { throw unsupported("a 'Replace' decoder of a pattern") }
                decoding.steps.append(.replace(mark, by: new))
            case "Metaspace" where isOfPieces:
                let metaspace = try metaspace(step)
                decoding.steps.append(.metaspace(metaspace.replacement, losesFirst: metaspace.scheme != .never))
            case "WordPiece" where isOfPieces:
                decoding.steps.append(
                    .wordPiece(prefix: step["prefix"]?.string ?? "##", cleansUp: step["cleanup"]?.bool ?? true))
            case "ByteFallback" where !isFused && !decoding.putsSpaces: decoding.joinsBytes = true
            case "Fuse": isFused = true
            case "Strip":
                try add(strip: step, to: &decoding, isFused: isFused)
            default: throw unsupported("a '\(type)' decoder at this place")
            }
        }
        return decoding
    }

    private func add(strip step: JSONValue, to decoding: inout PieceDecoding, isFused: Bool) throws(TextError) {
        let (start, stop) = (step["start"]?.integer ?? 0, step["stop"]?.integer ?? 0)
        guard let content = step["content"]?.string, (0..<1000).contains(start), (0..<1000).contains(stop) else {
            throw malformed("a 'Strip' decoder lacks its 'content', 'start' or 'stop'")
        }
        if !isFused, !decoding.joinsBytes {
            decoding.steps.append(.strip(content, start: start, stop: stop))
        } else {
            guard isFused, content == " ", stop == 0, decoding.lostSpaces == 0 else {
                throw unsupported("a 'Strip' decoder at this place")
            }
            decoding.lostSpaces = start
        }
    }
}
