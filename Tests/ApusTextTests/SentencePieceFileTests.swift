import ApusTestSupport
import ApusText
import Foundation
import Testing

/// `tokenizer.model` against sentencepiece; see sentencepiece_golden.py.
@Suite struct SentencePieceFileTests {
    private struct Golden: Decodable {
        struct Model: Decodable {
            var model: Data
            var encode: [[Int32]]
            var sequences: [[Int32]]
            var decode: [String]
        }

        var strings: [String]
        var models: [String: Model]
    }

    private static let names = ["bpe", "bpe-symbols", "bpe-unknown", "unigram", "unigram-bytes"]
    private let golden: Golden

    init() throws { golden = try Fixture.json("text/sentencepiece.json") }

    private func tokenizer(_ model: Data) throws -> Tokenizer {
        let folder = try TemporaryFolder()
        _ = try folder.write(model, as: "tokenizer.model")
        return try Tokenizer(directory: folder.url)
    }

    @Test(arguments: names) func encodesAsTheLibraryDoes(name: String) throws {
        let model = try #require(golden.models[name])
        let tokenizer = try tokenizer(model.model)
        for (text, ids) in zip(golden.strings, model.encode) {
            #expect(tokenizer.encode(text, addSpecialTokens: false) == ids, "\(text.debugDescription)")
        }
        #expect(tokenizer.bosToken == 1 && tokenizer.endToken == 2)
        #expect(tokenizer.encode("a").first == 1)
    }

    @Test(arguments: names) func decodesAsTheLibraryDoes(name: String) throws {
        let model = try #require(golden.models[name])
        let tokenizer = try tokenizer(model.model)
        for (ids, text) in zip(model.sequences, model.decode) {
            #expect(tokenizer.decode(ids).scalars == text.scalars)
        }
    }

    @Test(
        "Bad input 17: a tokenizer.model that ends at any byte, or has any byte changed, is refused or read, without a crash"
    )
    func damagedFiles() throws {
        let folder = try TemporaryFolder()
        for name in ["bpe-unknown", "unigram-bytes"] {
            let model = try #require(golden.models[name]).model
            for end in stride(from: 0, to: model.count, by: model.count > 5000 ? 7 : 1) {
                _ = try folder.write(Data(model[..<end]), as: "tokenizer.model")
                if let tokenizer = try? Tokenizer(directory: folder.url) { _ = tokenizer.encode("fox a\u{301}") }
                var changed = model
                changed[end] ^= UInt8.random(in: 1...255)
                _ = try folder.write(changed, as: "tokenizer.model")
                if let tokenizer = try? Tokenizer(directory: folder.url) { _ = tokenizer.encode("fox a\u{301}") }
            }
        }
    }
}
