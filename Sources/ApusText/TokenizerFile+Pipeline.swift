import ApusFormats

/// What tokenizer.json says is done to a text before and behind its model.
extension TokenizerFile {
    /// How tokens stand for text: the decoder says so.
    func spelling(_ model: JSONValue) throws(TextError) -> Spelling {
        let steps = flatten(root["decoder"] ?? .null, list: "decoders")
        if steps.isEmpty || steps.count == 1 && steps[0]["type"]?.string == "ByteLevel" {
            if model["byte_fallback"]?.bool == true { throw unsupported("'byte_fallback' without a decoder for it") }
            return .byteLevel
        }
        return .plain(
            PlainSpelling(
                fallsBackToBytes: model["byte_fallback"]?.bool ?? false, unknownToken: model["unk_token"]?.string,
                fusesUnknown: model["fuse_unk"]?.bool ?? false, decoding: try pieceDecoding(steps)))
    }

    private func pieceDecoding(_ steps: [JSONValue]) throws(TextError) -> PieceDecoding {
        var decoding = PieceDecoding()
        var isFused = false
        for step in steps {
            switch step["type"]?.string ?? "" {
            case "Replace" where step["content"]?.string == " " && decoding.mark == nil && !isFused:
                guard let mark = step["pattern"]?["String"]?.string, !mark.isEmpty else {
                    throw unsupported("a 'Replace' decoder of a pattern")
                }
                decoding.mark = mark
            case "Metaspace" where steps.count == 1:
                decoding.mark = try metaspace(step).replacement
                decoding.beginning = try metaspace(step).scheme == .never ? .kept : .losesMarks
            case "ByteFallback" where !isFused: decoding.joinsBytes = true
            case "Fuse": isFused = true
            case "Strip" where isFused && step["content"]?.string == " " && step["stop"]?.integer == 0:
                switch step["start"]?.integer {
                case 0: break
                case 1: decoding.beginning = .losesASpace
                default: throw unsupported("a 'Strip' decoder of several spaces")
                }
            case let type: throw unsupported("a '\(type)' decoder at this place")
            }
        }
        return decoding
    }

    /// The steps of 'normalizer'.
    func normalizers() throws(TextError) -> [Normalizer] {
        var normalizers: [Normalizer] = []
        for step in flatten(root["normalizer"] ?? .null, list: "normalizers") {
            let type = step["type"]?.string ?? ""
            if let form = NormalizationForm(rawValue: type) {
                normalizers.append(.form(form))
                continue
            }
            switch type {
            case "Prepend": normalizers.append(.prepend(step["prepend"]?.string ?? ""))
            case "Replace":
                guard let old = step["pattern"]?["String"]?.string, !old.isEmpty, let new = step["content"]?.string
                else {
                    throw unsupported("a 'Replace' normalizer of a pattern")
                }
                normalizers.append(.replace(old, by: new))
            case "Lowercase": normalizers.append(.lowercase)
            case "Strip":
                normalizers.append(
                    .strip(left: step["strip_left"]?.bool ?? true, right: step["strip_right"]?.bool ?? true))
            default: throw unsupported("a '\(type)' normalizer")
            }
        }
        return normalizers
    }

    /// How 'pre_tokenizer' cuts text.
    func cutting(_ spelling: Spelling) throws(TextError) -> Cutting {
        let steps = flatten(root["pre_tokenizer"] ?? .null, list: "pretokenizers")
        guard case .plain = spelling else { return .pattern(try splitPattern(steps)) }
        guard steps.count < 2 else {
            throw unsupported("a 'pre_tokenizer' of several steps beside a decoder of pieces")
        }
        guard let step = steps.first else { return .whole }
        switch step["type"]?.string ?? "" {
        case "Metaspace": return .metaspace(try metaspace(step))
        case "Split":
            guard let text = step["pattern"]?["String"]?.string, !text.isEmpty, step["invert"]?.bool != true,
                let behavior = step["behavior"]?.string.flatMap(Separator.Behavior.init)
            else { throw unsupported("a 'Split' at a pattern beside a decoder of pieces") }
            return .separator(Separator(text: text, behavior: behavior))
        case let type: throw unsupported("a '\(type)' step in 'pre_tokenizer' beside a decoder of pieces")
        }
    }

    /// Older files say `add_prefix_space` and newer ones `prepend_scheme`.
    private func metaspace(_ step: JSONValue) throws(TextError) -> Metaspace {
        var metaspace = Metaspace()
        if let replacement = step["replacement"]?.string { metaspace.replacement = replacement }
        if let scheme = step["prepend_scheme"]?.string {
            guard let known = Metaspace.Scheme(rawValue: scheme) else { throw unsupported("the scheme '\(scheme)'") }
            metaspace.scheme = known
        } else if step["add_prefix_space"]?.bool == false {
            metaspace.scheme = .never
        }
        metaspace.splits = step["split"]?.bool ?? true
        return metaspace
    }
}
