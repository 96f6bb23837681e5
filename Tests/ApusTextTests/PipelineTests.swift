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
}
