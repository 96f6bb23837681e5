import ApusTestSupport
import ApusText
import Foundation
import Testing

/// What Scripts/differ_tokenizers.py found, one small tokenizer for each kind; see differences_golden.py.
struct DifferenceGolden: Decodable, Sendable, CustomTestStringConvertible {
    var name: String
    var file: String
    var texts: [String]
    var encode: [[Int32]]
    var special: [[Int32]]
    var decode: [EncodingGolden.Case]

    var testDescription: String { name }

    static let all = (try? Fixture.json("text/differences.json", as: [DifferenceGolden].self)) ?? []
}

@Suite struct DifferenceTests {
    @Test func thereAreCases() {
        #expect(DifferenceGolden.all.count == 25)
    }

    @Test(arguments: DifferenceGolden.all) func doesAsTheLibraryDoes(golden: DifferenceGolden) throws {
        let folder = try TemporaryFolder()
        _ = try folder.write(Data(golden.file.utf8), as: "tokenizer.json")
        let tokenizer = try Tokenizer(directory: folder.url)
        for (text, ids) in zip(golden.texts, golden.encode) {
            #expect(tokenizer.encode(text, addSpecialTokens: false) == ids, "\(text.debugDescription)")
        }
        for (text, ids) in zip(golden.texts, golden.special) { #expect(tokenizer.encode(text) == ids) }
        for example in golden.decode {
            #expect(tokenizer.decode(example.ids, skipSpecialTokens: false).scalars == example.plain.scalars)
            #expect(tokenizer.decode(example.ids).scalars == example.skipped.scalars)
        }
    }
}
