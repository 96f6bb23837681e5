import ApusFormats
import Foundation

/// A `tekken.json`: Mistral's BPE of bytes, in which a token's place is its rank.
struct TekkenFile {
    private static let maximumTokens = 1 << 22

    private let root: JSONValue
    private let name: String
    private let specialLimit: Int

    /// - Parameters:
    ///   - name: what errors call the file.
    ///   - specialLimit: how many special tokens there may be: each takes memory, though the file need not list it.
    /// - Throws: `TextError` for what is no JSON.
    init(_ bytes: [UInt8], name: String, specialLimit: Int = 1 << 16) throws(TextError) {
        root = try TokenizerConfiguration.json(bytes, name: name)
        self.name = name
        self.specialLimit = specialLimit
    }

    /// The tokens with a role, as Mistral has them in every such file.
    static let roles = ["bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"]

    /// - Throws: `TextError` where it is damaged or its pattern needs what is not supported.
    func definition() throws(TextError) -> TokenizerDefinition {
        guard let config = root["config"], let pattern = config["pattern"]?.string, let entries = root["vocab"]?.array,
            let size = config["default_vocab_size"]?.integer, let count = config["default_num_special_tokens"]?.integer,
            (0...Self.maximumTokens).contains(size), (0...min(size, specialLimit)).contains(count)
        else { throw malformed("'config' or 'vocab' is missing or has impossible sizes") }
        let added = try specialTokens(count)
        var tokens = (0..<count).map { "<SPECIAL_\($0)>" as String? }
        for token in added { tokens[Int(token.id)] = token.content }
        for (rank, entry) in entries.prefix(size - count).enumerated() {
            guard let text = entry["token_bytes"]?.string, let bytes = Data(base64Encoded: text), !bytes.isEmpty,
                entry["rank"]?.integer ?? rank == rank
            else { throw malformed("entry \(rank) of 'vocab' is no token of that rank") }
            tokens.append(ByteAlphabet.encode(bytes))
        }
        let spelled = SpelledTokens(tokens)
        let table = TokenTable(spelled, added: added)
        let order = (Int32(count)..<Int32(tokens.count)).map { $0 }
        let rules = BytePairRules(making: order, ranks: order, of: table, splitsCharacters: true)
        return TokenizerDefinition(
            tokens: spelled, table: table, model: .bytePairs(rules), addedTokens: added,
            cuttings: [try cutting(pattern)], prefix: added.filter { $0.content == "<s>" }.map(\.id))
    }

    private func cutting(_ pattern: String) throws(TextError) -> Cutting {
        if let known = SplitPattern(expression: pattern) { return .pattern(known) }
        do throws(PatternError) {
            return .division(Division(matcher: .expression(try SplitExpression(pattern)), behavior: .isolated))
        } catch {
            throw TextError(
                code: .unsupported,
                message: "\(name): the split pattern \(pattern) (\(error)); use the model's tokenizer.json")
        }
    }

    /// Named in newer files; older ones mean these.
    private func specialTokens(_ count: Int) throws(TextError) -> [AddedToken] {
        let named = root["special_tokens"]?.array?.compactMap { entry in
            entry["rank"]?.integer.flatMap { rank in entry["token_str"]?.string.map { (rank, $0) } }
        }
        var names = (0..<count).map { "<SPECIAL_\($0)>" }
        for (rank, text) in named ?? Array(Self.oldSpecialTokens.enumerated().map { ($0.offset, $0.element) }) {
            guard names.indices.contains(rank) else { throw malformed("a special token has the rank \(rank)") }
            names[rank] = text
        }
        return names.enumerated().map { AddedToken(id: Int32($0.offset), content: $0.element, isSpecial: true) }
    }

    private static let oldSpecialTokens = [
        "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]",
        "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]",
        "[SUFFIX]",
        "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]",
    ]

    private func malformed(_ what: String) -> TextError {
        TextError(code: .malformed, message: "\(name): \(what); fetch the file again")
    }
}
