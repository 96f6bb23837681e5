import ApusTestSupport
import ApusText
import Foundation
import Testing

/// A tokenizer.json, as far as a GGUF file repeats it.
private struct ReferenceFile: Decodable {
    struct Added: Decodable {
        var id: Int
        var content: String
        var special: Bool
    }

    struct Model: Decodable {
        var vocab: [String: Int]
        var merges: [[String]]
    }

    var added_tokens: [Added]
    var model: Model
}

@Suite struct GGUFVocabularyTests {
    private static let families = [
        "text/gpt2": "gpt-2", "text/smollm": "smollm", "text/qwen2": "qwen2", "text/llama3": "llama-bpe",
    ]

    /// What llama.cpp's converter writes for one of the reference tokenizers.
    private func vocabulary(_ name: String) throws -> GGUFVocabulary {
        let file: ReferenceFile = try Fixture.json("\(name)/tokenizer.json")
        let count = (Array(file.model.vocab.values) + file.added_tokens.map(\.id)).reduce(0) { max($0, $1 + 1) }
        // Two entries of padding, as files have them whose embedding is larger than the vocabulary.
        var tokens = (0..<(count + 2)).map { "[PAD\($0)]" }
        var types = [Int32](repeating: 5, count: count + 2)
        for (token, id) in file.model.vocab { (tokens[id], types[id]) = (token, 1) }
        for token in file.added_tokens { (tokens[token.id], types[token.id]) = (token.content, token.special ? 3 : 4) }
        let merges = file.model.merges.map { $0.joined(separator: " ") }
        var vocabulary = GGUFVocabulary(
            tokens: PackedTexts(tokens), merges: PackedTexts(merges), tokenTypes: types, pre: Self.families[name])
        vocabulary.bosToken = 0
        vocabulary.endToken = 1
        vocabulary.padToken = 1
        vocabulary.chatTemplate = "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
        return vocabulary
    }

    /// GGUF does not tell which tokens swallow white space or are looked for in normalised text.
    private static func isTold(_ string: String) -> Bool {
        !string.contains("<mask>") && !string.contains("au lait")
    }

    private func checkEncodings(_ tokenizer: Tokenizer, _ name: String) throws {
        let (strings, golden) = try EncodingGolden.results(name)
        for (string, ids) in zip(strings, golden.encode) where Self.isTold(string) {
            #expect(tokenizer.encode(string, addSpecialTokens: false) == ids, "\(string.debugDescription)")
        }
        for (string, ids) in zip(strings, golden.encode_special) { #expect(tokenizer.encode(string) == ids) }
        for example in golden.decode { #expect(tokenizer.decode(example.ids).scalars == example.skipped.scalars) }
    }

    @Test(arguments: families.keys) func `encodes as the tokenizer it was made from`(name: String) throws {
        let tokenizer = try Tokenizer(vocabulary: vocabulary(name))
        #expect(tokenizer.vocabularySize == (try EncodingGolden.results(name).results.vocab_size))
        #expect(tokenizer.bosToken == 0 && tokenizer.endToken == 1 && tokenizer.padToken == 1)
        try checkEncodings(tokenizer, name)
    }

    @Test(arguments: families.keys) func `saves files that encode the same`(name: String) throws {
        try withTemporaryDirectory { directory in
            let original = try Tokenizer(vocabulary: vocabulary(name))
            try original.save(to: directory)
            let saved = try Tokenizer(directory: directory)
            try checkEncodings(saved, name)
            #expect(saved.bosToken == 0 && saved.endToken == 1 && saved.padToken == 1)
            #expect(saved.chatTemplate == original.chatTemplate)
        }
    }

    @Test func `saves a folder's files as they are`() throws {
        try withTemporaryDirectory { directory in
            let tokenizer = try Tokenizer(directory: Fixture.url("base96-slips"))
            try tokenizer.save(to: directory)
            for name in ["tokenizer.json", "tokenizer_config.json"] {
                let copy = try Data(contentsOf: directory.appending(path: name))
                #expect(try copy == Fixture.data("base96-slips/\(name)"))
            }
            #expect(!FileManager.default.fileExists(atPath: directory.appending(path: "model.safetensors").path))
            try Tokenizer(directory: directory).save(to: directory)
            #expect(try Tokenizer(directory: directory).vocabularySize == tokenizer.vocabularySize)
        }
    }

    @Test func `adds the tokens that the file asks for`() throws {
        var vocabulary = try vocabulary("text/smollm")
        let plain = try Tokenizer(vocabulary: vocabulary).encode("a b")
        vocabulary.addsBOS = true
        vocabulary.addsEOS = true
        let tokenizer = try Tokenizer(vocabulary: vocabulary)
        #expect(tokenizer.encode("a b") == [0] + plain + [1])
        #expect(tokenizer.encode("a b", addSpecialTokens: false) == plain)
        try withTemporaryDirectory { directory in
            try tokenizer.save(to: directory)
            #expect(try Tokenizer(directory: directory).encode("a b") == [0] + plain + [1])
        }
        var llama = try self.vocabulary("text/llama3")
        llama.addsBOS = false
        #expect(try Tokenizer(vocabulary: llama).encode("").isEmpty)
    }

    @Test func `refuses other kinds of tokenizers and damaged ones`() throws {
        var words = try vocabulary("text/gpt2")
        words.model = "bert"
        var unknown = try vocabulary("text/gpt2")
        unknown.pre = "afmoe"
        for vocabulary in [words, unknown] {
            let error = #expect(throws: TextError.self) { try Tokenizer(vocabulary: vocabulary) }
            #expect(error?.code == .unsupported && error?.description.contains("\n") == false)
        }
        var damaged = try vocabulary("text/gpt2")
        damaged.merges.append("nospace")
        #expect(throws: TextError.self) { try Tokenizer(vocabulary: damaged) }
        damaged.merges = PackedTexts(damaged.merges.dropLast() + ["no such"])
        #expect(throws: TextError.self) { try Tokenizer(vocabulary: damaged) }
    }

    /// What llama.cpp makes of nasty texts under each name of a way to cut; see gguf_pre_golden.py.
    private struct PreGolden: Decodable {
        var strings: [String]
        var encode: [String: [[Int32]]]
    }

    /// Where llama.cpp approximates an expression, the model's own one counts: these few texts come out differently.
    private static let approximated: Set<String> = ["tekken", "gpt-4o", "kimi-k2", "deepseek-llm", "bailingmoe"]

    @Test func cutsTextAsLlamaCppDoes() throws {
        let golden = try Fixture.json("text/gguf_pre.json", as: PreGolden.self)
        let file: ReferenceFile = try Fixture.json("text/gpt2/tokenizer.json")
        for (name, encodings) in golden.encode {
            var vocabulary = try vocabulary("text/gpt2")
            let tokens = file.model.vocab.sorted { $0.value < $1.value }.map(\.key)
            vocabulary.tokens = PackedTexts(tokens)
            vocabulary.tokenTypes = tokens.map { _ in 1 }
            vocabulary.pre = name.isEmpty ? nil : name
            let tokenizer = try Tokenizer(vocabulary: vocabulary)
            var differing = 0
            for (text, ids) in zip(golden.strings, encodings) where !text.contains("<|") {
                // llama.cpp composes no characters, which the model's own tokenizer does.
                if name.hasPrefix("qwen"), text.precomposedStringWithCanonicalMapping.scalars != text.scalars {
                    continue
                }
                let ours = tokenizer.encode(text, addSpecialTokens: false)
                if Self.approximated.contains(name) {
                    if ours != ids { differing += 1 }
                } else {
                    #expect(ours == ids, "\(name): \(text.debugDescription)")
                }
            }
            #expect(differing < 8, "\(name)")
            let isUnknown = tokenizer.remarks.contains { $0.contains("nothing says how") }
            #expect(isUnknown == (name.isEmpty || name == "default") && tokenizer.remarks.count <= 1)
            let folder = try TemporaryFolder()
            try tokenizer.save(to: folder.url)
            let saved = try Tokenizer(directory: folder.url)
            for text in golden.strings { #expect(saved.encode(text) == tokenizer.encode(text)) }
        }
    }

    /// No way to cut text makes tokens that it parts.
    @Test func aWayThatPartsTheVocabularysTokensIsNamed() throws {
        let letters = (0..<26).map { String(UnicodeScalar(UInt8(97 + $0))) }
        let numbers = (0..<10).map(String.init) + ["12", "34"]
        for (pre, words) in [("gpt-2", nil as String?), ("smollm", "'smollm', which parts 2 of ")] {
            let tokens = letters + numbers + letters.map { $0 + "a" }
            let vocabulary = GGUFVocabulary(
                tokens: PackedTexts(tokens), merges: PackedTexts(["1 2", "3 4"]), pre: pre)
            let remarks = try Tokenizer(vocabulary: vocabulary).remarks
            #expect(remarks.count == (words == nil ? 0 : 1))
            #expect(words.map { remarks.first?.contains($0) == true } ?? true, "\(remarks)")
        }
    }

    /// Qwen's own vocabulary has tokens that its cuts part; GPT-2's would part others of it.
    @Test func aVocabularyOfNewerCutsIsNotSuspected() throws {
        let letters = (0..<26).map { String(UnicodeScalar(UInt8(97 + $0))) }
        let tokens = letters + ["12", "34", ";\u{010A}", ".\u{010A}"]
        let vocabulary = GGUFVocabulary(
            tokens: PackedTexts(tokens + ["1", "2", "3", "4", ";", ".", "\u{010A}"]),
            merges: PackedTexts(["1 2", "3 4", "; \u{010A}", ". \u{010A}"]), pre: "qwen2")
        #expect(try Tokenizer(vocabulary: vocabulary).remarks.isEmpty)
    }

    /// Many public files call the markers of their chat format normal tokens.
    @Test func markersAreControlTokensWhateverTheirTypeSays() throws {
        for type: Int32 in [1, 3, 4] {
            var vocabulary = try vocabulary("text/qwen2")
            let end = try #require(vocabulary.tokens.firstIndex(of: "<|im_end|>"))
            vocabulary.tokenTypes[end] = type
            vocabulary.endToken = 0
            let tokenizer = try Tokenizer(vocabulary: vocabulary)
            let ids = tokenizer.encode("a<|im_end|>b")
            #expect(ids.contains(Int32(end)) && tokenizer.endTokens.contains(Int32(end)))
            #expect(tokenizer.decode(ids) == "ab")
        }
        var plain = try vocabulary("text/qwen2")
        plain.tokenTypes = plain.tokenTypes.map { $0 == 3 ? 1 : $0 }
        #expect(try Tokenizer(vocabulary: plain).decode(Tokenizer(vocabulary: plain).encode("<|>|")) == "<|>|")
    }

    @Test func `renders and encodes a conversation`() throws {
        let tokenizer = try Tokenizer(vocabulary: vocabulary("text/llama3"))
        let messages = [Message(role: "user", content: "hi"), Message(role: "assistant", content: "<|eot_id|>")]
        let text = try tokenizer.renderChat(messages, addGenerationPrompt: true)
        #expect(text == "<|begin_of_text|>user: hi\nassistant: <|eot_id|>\n")
        let ids = try tokenizer.encodeChat(messages)
        #expect(ids == tokenizer.encode(text, addSpecialTokens: false) && ids.filter { $0 == 0 }.count == 1)
        #expect(try tokenizer.renderChat([], addGenerationPrompt: true, variables: ["bos_token": "x"]) == "x")
        let plain = try Tokenizer(directory: Fixture.url("text/gpt2"))
        let error = #expect(throws: TextError.self) { try plain.encodeChat(messages) }
        #expect(error?.code == .missingTemplate)
    }
}

func withTemporaryDirectory(_ body: (URL) throws -> Void) throws {
    let directory = FileManager.default.temporaryDirectory.appending(path: "apus-text-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    try body(directory)
}
