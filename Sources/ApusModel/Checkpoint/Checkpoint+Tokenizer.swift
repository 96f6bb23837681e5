import ApusFormats
public import ApusText
import Foundation

extension Checkpoint {
    /// The tokenizer that belongs to the model, from `tokenizer.json` in the folder or the metadata of the GGUF file.
    ///
    /// - Throws: `TextError` when it is of an unsupported kind or damaged, `FormatError` when metadata are missing.
    package func makeTokenizer() throws -> Tokenizer { try Self.tokenizer(of: source) }

    /// The tokenizer in the folder or the GGUF file that a model's tensors are in.
    ///
    /// - Throws: as ``makeTokenizer()``.
    static func tokenizer(of source: any TensorSource) throws -> Tokenizer {
        guard let file = source as? GGUFFile else {
            return try Tokenizer(directory: URL(filePath: source.path, directoryHint: .isDirectory))
        }
        return try Tokenizer(vocabulary: GGUFVocabulary(file: file))
    }

    /// The chat template in the model's files, nil when there is none.
    package var chatTemplate: String? {
        if let file = source as? GGUFFile { return file.metadata["tokenizer.chat_template"]?.string }
        let folder = URL(filePath: path, directoryHint: .isDirectory)
        if let text = try? String(contentsOf: folder.appending(path: "chat_template.jinja"), encoding: .utf8) {
            return text
        }
        guard let data = try? Data(contentsOf: folder.appending(path: "tokenizer_config.json")) else { return nil }
        return try? JSONDecoder().decode(TokenizerConfigurationFile.self, from: data).template
    }
}

/// The chat template of `tokenizer_config.json`: one text, or a list of named ones of which `default` counts.
private struct TokenizerConfigurationFile: Decodable {
    struct Named: Decodable {
        var name: String
        var template: String
    }

    enum CodingKeys: String, CodingKey {
        case template = "chat_template"
    }

    var template: String?

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        if let named = try? values.decode([Named].self, forKey: .template) {
            template = named.first { $0.name == "default" }?.template
        } else {
            template = try values.decodeIfPresent(String.self, forKey: .template)
        }
    }
}

extension GGUFVocabulary {
    /// Collects the `tokenizer.ggml` keys.
    fileprivate init(file: GGUFFile) throws(FormatError) {
        func value(_ key: String) -> GGUFValue? { file.metadata["tokenizer.ggml.\(key)"] }
        func token(_ key: String) -> Int32? { value(key)?.int.flatMap { Int32(exactly: $0) } }
        guard let tokens = value("tokens")?.texts else {
            let message = "metadata 'tokenizer.ggml.tokens' is missing; convert the model again with its tokenizer"
            throw FormatError(.missing, file: file.path, message)
        }
        self.init(
            tokens: PackedTexts(tokens), merges: PackedTexts(value("merges")?.texts ?? []),
            tokenTypes: value("token_type")?.ints?.map { Int32(truncatingIfNeeded: $0) } ?? [],
            pre: value("pre")?.string, model: value("model")?.string ?? "none", name: file.path
        )
        scores = value("scores")?.floats?.map { Float($0) } ?? []
        addsSpacePrefix = value("add_space_prefix")?.bool
        bosToken = token("bos_token_id")
        endToken = token("eos_token_id")
        endOfTurnToken = token("eot_token_id")
        unknownToken = token("unknown_token_id")
        padToken = token("padding_token_id")
        addsBOS = value("add_bos_token")?.bool
        addsEOS = value("add_eos_token")?.bool
        chatTemplate = file.metadata["tokenizer.chat_template"]?.string
    }
}

extension PackedTexts {
    /// The same texts; nothing is copied.
    fileprivate init(_ texts: TextArray) { self.init(bytes: texts.bytes, ends: texts.ends) }
}

extension LanguageModel {
    /// The tokenizer of a model folder, which need not hold the model, or of a GGUF file.
    ///
    /// - Throws: `FormatError` for what is no model, `TextError` for a tokenizer of an unsupported kind or a damaged one.
    public static func tokenizer(path: String) throws -> Tokenizer {
        guard !Checkpoint.isFolder(path) else {
            return try Tokenizer(directory: URL(filePath: path, directoryHint: .isDirectory))
        }
        return try Checkpoint(path: path).makeTokenizer()
    }
}
