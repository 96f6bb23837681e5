import ApusTestSupport
import Foundation
import Testing

@testable import ApusText

/// SentencePiece's vocabularies in GGUF files, against llama.cpp; see spm_golden.py.
@Suite struct SentencePieceVocabularyTests {
    private struct Golden: Decodable {
        var tokens: [String]
        var scores: [Float]
        var types: [Int32]
        var strings: [String]
        var with_prefix: [[Int32]]
        var without_prefix: [[Int32]]
    }

    private func vocabulary(_ golden: Golden, addsSpacePrefix: Bool?) -> GGUFVocabulary {
        var vocabulary = GGUFVocabulary(
            tokens: PackedTexts(golden.tokens), merges: PackedTexts([]), tokenTypes: golden.types, model: "llama")
        vocabulary.scores = golden.scores
        vocabulary.addsSpacePrefix = addsSpacePrefix
        (vocabulary.unknownToken, vocabulary.bosToken, vocabulary.endToken) = (0, 1, 2)
        return vocabulary
    }

    @Test(arguments: [nil, true, false] as [Bool?]) func encodesAsLlamaCppDoes(addsSpacePrefix: Bool?) throws {
        let golden = try Fixture.json("text/spm.json", as: Golden.self)
        let tokenizer = try Tokenizer(vocabulary: vocabulary(golden, addsSpacePrefix: addsSpacePrefix))
        let wanted = addsSpacePrefix == false ? golden.without_prefix : golden.with_prefix
        for (text, ids) in zip(golden.strings, wanted) {
            #expect(tokenizer.encode(text, addSpecialTokens: false) == ids, "\(text.debugDescription)")
        }
        #expect(tokenizer.encode("a").first == 1, "llama.cpp begins a text with the first token unless told not to")
    }

    /// A model that goes from GGUF to a folder keeps its tokens.
    @Test(arguments: [true, false]) func theFolderThatIsWrittenEncodesTheSame(addsSpacePrefix: Bool) throws {
        let golden = try Fixture.json("text/spm.json", as: Golden.self)
        // Of one score each: tokenizer.json has no word for merges of the same rank.
        var vocabulary = vocabulary(golden, addsSpacePrefix: addsSpacePrefix)
        vocabulary.scores = golden.tokens.indices.map { -Float($0) }
        let tokenizer = try Tokenizer(vocabulary: vocabulary)
        let folder = try TemporaryFolder()
        try tokenizer.save(to: folder.url)
        let again = try Tokenizer(directory: folder.url)
        for text in golden.strings {
            let ids = tokenizer.encode(text)
            #expect(again.encode(text) == ids, "\(text.debugDescription)")
            #expect(again.decode(ids).scalars == tokenizer.decode(ids).scalars)
        }
    }

    @Test func aVocabularyWithoutItsScoresIsRefused() throws {
        let golden = try Fixture.json("text/spm.json", as: Golden.self)
        var vocabulary = vocabulary(golden, addsSpacePrefix: nil)
        vocabulary.scores.removeLast()
        #expect { try Tokenizer(vocabulary: vocabulary) } throws: { "\($0)".contains("tokenizer.ggml.scores") }
        vocabulary.model = "rwkv"
        #expect { try Tokenizer(vocabulary: vocabulary) } throws: { "\($0)".contains("'rwkv' is not supported") }
    }
}
