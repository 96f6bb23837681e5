import ApusTestSupport
import ApusText
import Foundation
import Testing

/// What `tokenizers` makes of nasty texts with everything that tokenizer.json can say; see pipelines_golden.py.
struct PipelineGolden: Decodable, Sendable {
    struct Pipeline: Decodable, Sendable, CustomTestStringConvertible {
        var name: String
        var model: String
        var head: String
        var encode: [[Int32]]
        var special: [Int32]
        var decode: [EncodingGolden.Case]
        var back: [String]

        var testDescription: String { "\(model), \(name)" }
    }

    var models: [String: String]
    var strings: [String]
    var pipelines: [Pipeline]

    static let shared = Result { try Fixture.json("text/pipelines.json", as: PipelineGolden.self) }

    /// The tokenizer.json of a pipeline.
    func file(_ pipeline: Pipeline) throws -> String {
        pipeline.head + ", \"model\": " + (try #require(models[pipeline.model])) + "}"
    }

    func tokenizer(_ pipeline: Pipeline) throws -> Tokenizer {
        let folder = try TemporaryFolder()
        _ = try folder.write(Data(file(pipeline).utf8), as: "tokenizer.json")
        return try Tokenizer(directory: folder.url)
    }
}

@Suite struct PipelineTests {
    private static let pipelines = (try? PipelineGolden.shared.get().pipelines) ?? []

    @Test func thereArePipelines() throws {
        #expect(try PipelineGolden.shared.get().pipelines.count == 46)
    }

    @Test(arguments: pipelines) func encodesAsTheLibraryDoes(pipeline: PipelineGolden.Pipeline) throws {
        let golden = try PipelineGolden.shared.get()
        let tokenizer = try golden.tokenizer(pipeline)
        for (text, ids) in zip(golden.strings, pipeline.encode) {
            #expect(tokenizer.encode(text, addSpecialTokens: false) == ids, "\(text.debugDescription)")
        }
        #expect(tokenizer.encode("a") == pipeline.special)
    }

    @Test(arguments: pipelines) func decodesAsTheLibraryDoes(pipeline: PipelineGolden.Pipeline) throws {
        let tokenizer = try PipelineGolden.shared.get().tokenizer(pipeline)
        for example in pipeline.decode {
            #expect(tokenizer.decode(example.ids, skipSpecialTokens: false).scalars == example.plain.scalars)
            #expect(tokenizer.decode(example.ids).scalars == example.skipped.scalars)
        }
        for (ids, text) in zip(
            stride(from: 0, to: pipeline.encode.count, by: 7).map { pipeline.encode[$0] }, pipeline.back)
        {
            #expect(tokenizer.decode(ids, skipSpecialTokens: false).scalars == text.scalars)
        }
    }

    @Test("Bad input 18: what is streamed is what is decoded, on every prefix", arguments: pipelines)
    func streamsWhatItDecodes(pipeline: PipelineGolden.Pipeline) throws {
        let tokenizer = try PipelineGolden.shared.get().tokenizer(pipeline)
        for ids in pipeline.encode + pipeline.decode.map(\.ids) {
            var decoder = StreamingDecoder(tokenizer: tokenizer)
            var text = ""
            for (place, id) in ids.enumerated() {
                text += decoder.append(id)
                var copy = decoder
                let whole = tokenizer.decode(Array(ids[...place]))
                #expect((text + copy.finish()).scalars == whole.scalars)
            }
        }
    }

    @Test func aFolderThatIsSavedEncodesTheSame() throws {
        let golden = try PipelineGolden.shared.get()
        for pipeline in golden.pipelines {
            let folder = try TemporaryFolder()
            _ = try folder.write(Data(golden.file(pipeline).utf8), as: "tokenizer.json")
            try Tokenizer(directory: folder.url).save(to: folder.url.appending(path: "copy"))
            let tokenizer = try Tokenizer(directory: folder.url.appending(path: "copy"))
            for (text, ids) in zip(golden.strings, pipeline.encode).prefix(20) {
                #expect(tokenizer.encode(text, addSpecialTokens: false) == ids)
            }
        }
    }

    @Test("Bad input 17: a tokenizer.json or tekken.json that ends at any byte is refused, without a crash")
    func truncatedFiles() throws {
        let golden = try PipelineGolden.shared.get()
        let folder = try TemporaryFolder()
        var files = try ["xlm", "bert", "deepseek"].map { name in
            ("tokenizer.json", try golden.file(try #require(golden.pipelines.first { $0.name == name })))
        }
        files.append(("tekken.json", Self.tekken))
        for (name, text) in files {
            let bytes = Data(text.utf8)
            // Every byte of the small ones.
            for end in stride(from: 0, to: bytes.count, by: bytes.count > 6000 ? 7 : 1) {
                _ = try folder.write(bytes[..<end], as: name)
                #expect(throws: TextError.self) { try Tokenizer(directory: folder.url) }
            }
            _ = try folder.write(bytes, as: name)
            _ = try Tokenizer(directory: folder.url).encode("a b")
            try FileManager.default.removeItem(at: folder.url.appending(path: name))
        }
    }

    /// Mistral's form of a small vocabulary of bytes: the tokens of "ab" and "abb" behind those of all bytes.
    private static let tekken: String = {
        let tokens = (UInt8.min...UInt8.max).map { [$0] } + [Array("ab".utf8), Array("abb".utf8)]
        let entries = tokens.enumerated().map { rank, bytes in
            #"{"rank":\#(rank),"token_bytes":"\#(Data(bytes).base64EncodedString())","token_str":null}"#
        }
        let pattern = #"[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{M}]*[\\p{Ll}\\p{M}]+|\\p{N}|\\s+|."#
        return
            #"{"config":{"pattern":"\#(pattern)","default_vocab_size":278,"default_num_special_tokens":20},"vocab":["#
            + entries.joined(separator: ",") + "]}"
    }()

    @Test func waysThatAreWorthTheSameAreToldApartAsByTheLibrary() throws {
        // tokenizers 0.23 gives these: it reads the lowest score, of which that of unknown text is made, one bit off.
        let folder = try TemporaryFolder()
        let model = """
            {"model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", -0.8698511824344901], \
            ["a", -5.076231649776989], ["b", -9.844086797154537], ["aa", -7.337012357727227]]}}
            """
        _ = try folder.write(Data(model.utf8), as: "tokenizer.json")
        #expect(try Tokenizer(directory: folder.url).encode("yaaa") == [0, 1, 3])
    }

    @Test func whatFollowsACharacterThatVanishesStandsForIt() throws {
        // tokenizers 0.23 gives these: both halves of what "e" becomes begin the text, whose first character is gone.
        struct Table: Decodable { let charsmap: String }
        let folder = try TemporaryFolder()
        let file = """
            {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "\(try Fixture.json("text/pipelines.json", as: Table.self).charsmap)"},
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Whitespace"},
            {"type": "Metaspace", "replacement": " ", "prepend_scheme": "first", "split": true}]},
            "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], [" ", 0.0]]}}
            """
        _ = try folder.write(Data(file.utf8), as: "tokenizer.json")
        #expect(try Tokenizer(directory: folder.url).encode("\u{1C5}e") == [1, 0, 1, 0])
    }

    @Test func tokensOfATekkenFileAreRanksBehindTheSpecialOnes() throws {
        let folder = try TemporaryFolder()
        _ = try folder.write(Data(Self.tekken.utf8), as: "tekken.json")
        let tokenizer = try Tokenizer(directory: folder.url)
        #expect(tokenizer.encode("abb[INST]ab") == [1, 277, 3, 276] && tokenizer.vocabularySize == 278)
        #expect(tokenizer.decode([277, 3, 20 + 0x61]) == "abba" && tokenizer.endToken == 2)
    }

    /// The bound on the work that an expression may cause, and expressions that are none.
    @Test("Bad input 17: an expression that takes long is given up, one that is damaged refused")
    func expressions() throws {
        let golden = try PipelineGolden.shared.get()
        let pipeline = try #require(golden.pipelines.first { $0.name == "empty" })
        let good = try golden.file(pipeline)
        let folder = try TemporaryFolder()
        func tokenizer(_ expression: String) throws -> Tokenizer {
            let text = good.replacingOccurrences(of: #""x*""#, with: #""\#(expression)""#)
            _ = try folder.write(Data(text.utf8), as: "tokenizer.json")
            return try Tokenizer(directory: folder.url)
        }
        let text = String(repeating: "a", count: 3000)
        let slow = try tokenizer("(?:a|a|aa)*(?:a|a|aa)*(?:a|a|aa)*b")
        let time = ContinuousClock().measure { #expect(slow.decode(slow.encode(text)) == text) }
        #expect(time < .seconds(2))
        let bad = [
            "(", ")", "[", "[a", "a{2,1}", "*", "a**", #"\\p{Nope}"#, #"\\p"#, #"\\x{110000}"#, "(?<=a)b", #"\\1"#,
            "[b-a]", "[[:alpha:]]",
            String(repeating: "(", count: 100_000), "(?:a{100}){100}{100}", #"\\"#,
        ]
        for expression in bad {
            let error = #expect(throws: TextError.self) { try tokenizer(expression) }
            #expect(error?.description.contains("\n") == false)
        }
    }

    /// A list of named templates, and templates in files of their own; see transformers' `get_chat_template`.
    @Test func conversationsWithToolsHaveATemplateOfTheirOwn() throws {
        let folder = try TemporaryFolder()
        _ = try folder.write(Fixture.data("text/gpt2/tokenizer.json"), as: "tokenizer.json")
        let named = #"[{"name": "tool_use", "template": "named tools"}, {"name": "default", "template": "named"}]"#
        _ = try folder.write(Data(#"{"chat_template": \#(named)}"#.utf8), as: "tokenizer_config.json")
        func texts() throws -> [String] {
            let tokenizer = try Tokenizer(directory: folder.url)
            let messages = [Message(role: "user", content: "a")]
            return try [[:], ["tools": .null], ["tools": [["name": "f"]]]].map { variables in
                try tokenizer.renderChat(messages, addGenerationPrompt: true, variables: variables)
            }
        }
        #expect(try texts() == ["named", "named", "named tools"])
        _ = try folder.write(Data("file".utf8), as: "chat_template.jinja")
        #expect(try texts() == ["file", "file", "file"])
        let more = folder.url.appending(path: "additional_chat_templates")
        try FileManager.default.createDirectory(at: more, withIntermediateDirectories: true)
        try Data("file with tools".utf8).write(to: more.appending(path: "tool_use.jinja"))
        #expect(try texts() == ["file", "file", "file with tools"])
        let copy = folder.url.appending(path: "copy")
        try Tokenizer(directory: folder.url).save(to: copy)
        #expect(
            FileManager.default.fileExists(
                atPath: copy.appending(path: "additional_chat_templates/tool_use.jinja").path))
    }
}
