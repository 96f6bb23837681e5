import ApusFormats
public import Foundation

extension Tokenizer {
    /// The files that a tokenizer may lie in.
    package static let files = [
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja",
        "additional_chat_templates/tool_use.jinja", "added_tokens.json", "vocab.json", "merges.txt", "tokenizer.model",
        "tekken.json",
    ]

    /// Writes the files that `AutoTokenizer.from_pretrained` needs to tokenize identically. Files that were read from a
    /// folder are copied as they are; for a GGUF file tokenizer.json and tokenizer_config.json are made.
    ///
    /// - Throws: `TextError` when a file cannot be written.
    public func save(to directory: URL) throws(TextError) {
        do {
            try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
            switch origin {
            case .directory(let source): try Self.copyFiles(from: source, to: directory)
            case .vocabulary(let vocabulary):
                for (name, value) in [
                    ("tokenizer.json", try vocabulary.tokenizerFile()),
                    ("tokenizer_config.json", vocabulary.configurationFile()),
                ] {
                    let text = JSONWriter(indent: 2).write(value) + "\n"
                    try Data(text.utf8).write(to: directory.appending(path: name), options: .atomic)
                }
            }
        } catch let error as TextError {
            throw error
        } catch {
            throw TextError(
                code: .file,
                message: "\(directory.path): the tokenizer's files cannot be written "
                    + "(\(Self.reason(error))); check the path and the space left"
            )
        }
    }

    private static func reason(_ error: any Error) -> String {
        let isFull = (error as? CocoaError)?.code == .fileWriteOutOfSpace || (error as? POSIXError)?.code == .ENOSPC
        return isFull ? "no space left on the device" : error.localizedDescription
    }

    private static func copyFiles(from source: URL, to directory: URL) throws {
        for name in Self.files {
            let file = source.appending(path: name)
            let copy = directory.appending(path: name)
            guard FileManager.default.fileExists(atPath: file.path),
                file.standardizedFileURL != copy.standardizedFileURL
            else { continue }
            try FileManager.default.createDirectory(
                at: copy.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(contentsOf: file).write(to: copy, options: .atomic)
        }
    }
}

// MARK: - The files of a GGUF vocabulary

extension GGUFVocabulary {
    /// A tokenizer.json that encodes as this vocabulary does. Added tokens are listed in the model's vocabulary too:
    /// `tokenizers` would number them anew otherwise.
    func tokenizerFile() throws(TextError) -> JSONValue {
        let vocabulary = tokens.indices.filter(isUsed).map { id in
            JSONValue.Member(key: tokens[id], value: .integer(id))
        }
        var members: [JSONValue.Member] = [
            .init(key: "version", value: "1.0"), .init(key: "truncation", value: .null),
            .init(key: "padding", value: .null), .init(key: "added_tokens", value: .array(addedTokens().map(\.json))),
        ]
        members += isSentencePiece ? try sentencePiece(vocabulary) : try byteLevel(vocabulary)
        members.append(.init(key: "post_processor", value: postProcessor))
        return .object(members)
    }

    private func byteLevel(_ vocabulary: [JSONValue.Member]) throws(TextError) -> [JSONValue.Member] {
        let family = try family()
        return [
            .init(key: "normalizer", value: family.composesUnicode ? ["type": "NFC"] : .null),
            .init(key: "pre_tokenizer", value: preTokenizer(family)),
            .init(
                key: "decoder",
                value: ["type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true]),
            .init(
                key: "model",
                value: model(
                    vocabulary, merges.map { .string($0) }, unknown: .null, isOfCharacters: false,
                    ignoresMerges: family.ignoresMerges)),
        ]
    }

    private func preTokenizer(_ family: Family) -> JSONValue {
        let steps = family.cuttings.map(\.json)
        let last: JSONValue = [
            "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false,
        ]
        return ["type": "Sequence", "pretokenizers": .array(steps + [last])]
    }

    private func sentencePiece(_ vocabulary: [JSONValue.Member]) throws(TextError) -> [JSONValue.Member] {
        let table = try sentencePieceDefinition().table
        let merges = scoredMerges(table).merges.map { merge -> JSONValue in
            [.string(tokens[Int(merge.left)]), .string(tokens[Int(merge.right)])]
        }
        let mark = JSONValue.string(Metaspace.mark)
        let replace: JSONValue = ["type": "Replace", "pattern": ["String": " "], "content": mark]
        let prepend: JSONValue = ["type": "Prepend", "prepend": mark]
        let steps: [JSONValue] = [
            ["type": "Replace", "pattern": ["String": mark], "content": " "], ["type": "ByteFallback"],
            ["type": "Fuse"],
        ]
        let strip: JSONValue = ["type": "Strip", "content": " ", "start": 1, "stop": 0]
        return [
            .init(
                key: "normalizer",
                value: ["type": "Sequence", "normalizers": .array((prependsMark ? [prepend] : []) + [replace])]),
            .init(key: "pre_tokenizer", value: .null),
            .init(
                key: "decoder",
                value: ["type": "Sequence", "decoders": .array(steps + (prependsMark ? [strip] : []))]),
            .init(
                key: "model",
                value: model(
                    vocabulary, merges, unknown: token(unknownToken).map(JSONValue.string) ?? .null,
                    isOfCharacters: true, ignoresMerges: false)),
        ]
    }

    private func model(
        _ vocabulary: [JSONValue.Member], _ merges: [JSONValue], unknown: JSONValue, isOfCharacters: Bool,
        ignoresMerges: Bool
    ) -> JSONValue {
        [
            "type": "BPE", "dropout": .null, "unk_token": unknown, "continuing_subword_prefix": .null,
            "end_of_word_suffix": .null, "fuse_unk": .bool(isOfCharacters), "byte_fallback": .bool(isOfCharacters),
            "ignore_merges": .bool(ignoresMerges), "vocab": .object(vocabulary), "merges": .array(merges),
        ]
    }

    private var postProcessor: JSONValue {
        func special(_ id: Int32) -> JSONValue { .string(token(id) ?? "") }
        func piece(_ id: Int32) -> JSONValue { ["SpecialToken": ["id": special(id), "type_id": 0]] }
        let around = prefix + suffix
        if around.isEmpty { return .null }
        let text: JSONValue = ["Sequence": ["id": "A", "type_id": 0]]
        let second: JSONValue = ["Sequence": ["id": "B", "type_id": 1]]
        let single = prefix.map(piece) + [text] + suffix.map(piece)
        return [
            "type": "TemplateProcessing", "single": .array(single), "pair": .array(single + [second]),
            "special_tokens": .object(
                Set(around).sorted().map { id in
                    let name = special(id)
                    return .init(
                        key: name.string ?? "",
                        value: ["id": name, "ids": [.integer(Int(id))], "tokens": [name]]
                    )
                }
            ),
        ]
    }

    func configurationFile() -> JSONValue {
        var members: [JSONValue.Member] = [
            .init(key: "tokenizer_class", value: "PreTrainedTokenizerFast"),
            .init(key: "clean_up_tokenization_spaces", value: false),
        ]
        let configuration = configuration
        for key in TokenizerConfiguration.roleKeys {
            if let token = configuration.roles[key] { members.append(.init(key: key, value: .string(token))) }
        }
        if let chatTemplate { members.append(.init(key: "chat_template", value: .string(chatTemplate))) }
        return .object(members)
    }
}

extension AddedToken {
    fileprivate var json: JSONValue {
        [
            "id": .integer(Int(id)), "content": .string(content), "single_word": false, "lstrip": .bool(stripsLeft),
            "rstrip": .bool(stripsRight), "normalized": .bool(isNormalized), "special": .bool(isSpecial),
        ]
    }
}

extension Cutting {
    /// The step of a tokenizer.json's 'pre_tokenizer'.
    fileprivate var json: JSONValue {
        switch self {
        case .pattern(let pattern):
            return [
                "type": "Split", "pattern": ["Regex": .string(pattern.expression)], "behavior": "Isolated",
                "invert": false,
            ]
        case .division(let division): return division.json
        case .words: return ["type": "Whitespace"]
        case .metaspace(let metaspace):
            return [
                "type": "Metaspace", "replacement": .string(metaspace.replacement),
                "prepend_scheme": .string(metaspace.scheme.rawValue), "split": .bool(metaspace.splits),
            ]
        case .leadingSpace:
            return ["type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": false]
        }
    }
}

extension Division {
    fileprivate var json: JSONValue {
        let pattern: JSONValue
        switch matcher {
        case .characters(.digit): return ["type": "Digits", "individual_digits": .bool(behavior == .isolated)]
        case .characters(.punctuation): return ["type": "Punctuation", "behavior": .string(behavior.rawValue)]
        case .characters(.whiteSpace): return ["type": "WhitespaceSplit"]
        case .characters(.only(let scalar)):
            return ["type": "CharDelimiterSplit", "delimiter": .string(String(scalar))]
        case .text(let text): pattern = ["String": .string(text)]
        case .expression(let expression): pattern = ["Regex": .string(expression.source)]
        }
        return [
            "type": "Split", "pattern": pattern, "behavior": .string(behavior.rawValue), "invert": .bool(isInverted),
        ]
    }
}
