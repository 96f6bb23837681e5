import ApusTestSupport
import Foundation
import Testing

@testable import ApusText

/// Files that ask for more than there is, or that are damaged where a tokenizer is quick to crash.
@Suite struct TokenizerLimitTests {
    private func tokenizer(_ text: String, as name: String = "tokenizer.json") throws -> Tokenizer {
        try tokenizer(Data(text.utf8), as: name)
    }

    private func tokenizer(_ data: Data, as name: String) throws -> Tokenizer {
        let folder = try TemporaryFolder()
        _ = try folder.write(data, as: name)
        return try Tokenizer(directory: folder.url)
    }

    private func file(_ parts: String, vocabulary: String = #"{"a": 0, "b": 1}"#) -> String {
        #"{\#(parts) "model": {"type": "BPE", "vocab": \#(vocabulary), "merges": []}}"#
    }

    private func steps(_ step: String, _ count: Int) -> String {
        Array(repeating: step, count: count).joined(separator: ",")
    }

    @Test("Bad input 17: a small file that asks for millions of tokens is refused")
    func farIDs() throws {
        for text in [
            file("", vocabulary: #"{"a": 16000000}"#),
            file(#""added_tokens": [{"id": 16000000, "content": "x"}],"#),
            file(
                #""post_processor": {"type": "BertProcessing", "cls": ["a", 0], "sep": ["x", 7]},"#),
        ] {
            let error = #expect(throws: TextError.self) { try tokenizer(text) }
            #expect(error?.code == .malformed)
        }
        let tekken =
            #"{"config":{"pattern":".","default_vocab_size":4000000,"default_num_special_tokens":4000000},"vocab":[]}"#
        #expect(throws: TextError.self) { try tokenizer(tekken, as: "tekken.json") }
        // A few unused ids are no harm.
        #expect(try tokenizer(file("", vocabulary: #"{"a": 0, "b": 900000}"#)).encode("ab") == [0, 900_000])
    }

    @Test("Bad input 17: steps that would double a text over and over are refused")
    func growth() throws {
        let double = #"{"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}"#
        let insert = #"{"type": "Replace", "pattern": {"Regex": "x*"}, "content": "aaa"}"#
        let cut = #"{"type": "Split", "pattern": {"Regex": "."}, "behavior": "Isolated"}"#
        let marks = #"{"type": "Metaspace", "replacement": "x"}, \#(cut), {"type": "Metaspace"}, \#(cut)"#
        for parts in [
            #""normalizer": {"type": "Sequence", "normalizers": [\#(steps(double, 60))]},"#,
            #""normalizer": {"type": "Sequence", "normalizers": [\#(steps(insert, 60))]},"#,
            #""decoder": {"type": "Sequence", "decoders": [\#(steps(double, 60))]},"#,
            #""pre_tokenizer": {"type": "Sequence", "pretokenizers": [\#(steps(marks, 30))]},"#,
        ] {
            let error = #expect(throws: TextError.self) { try tokenizer(file(parts)) }
            #expect(error?.code == .unsupported)
        }
        let few = #""normalizer": {"type": "Sequence", "normalizers": [\#(steps(double, 3))]},"#
        #expect(try tokenizer(file(few)).encode("a").count == 8)
        #expect(throws: TextError.self) {
            try tokenizer(file(#""pre_tokenizer": {"type": "Metaspace", "replacement": "\#(steps("a", 5000))"},"#))
        }
    }

    @Test("Bad input 17: groups of nothing that are repeated over and over are refused")
    func emptyGroups() throws {
        let expression = String(repeating: "(?:", count: 20) + String(repeating: "){100}", count: 20)
        let cut = #"{"type": "Split", "pattern": {"Regex": "\#(expression)"}, "behavior": "Isolated"}"#
        #expect(throws: TextError.self) { try tokenizer(file(#""pre_tokenizer": \#(cut),"#)) }
    }

    /// Each piece has its own bound on the work of an expression, and there may be many.
    @Test func manyPiecesTakeNoLongerThanOne() throws {
        let slow = #"{"type": "Split", "pattern": {"Regex": "(?:a|a|aa)*(?:a|a|aa)*b"}, "behavior": "Isolated"}"#
        let cuts = #"{"type": "WhitespaceSplit"}, \#(steps(slow, 20))"#
        let parts = #""pre_tokenizer": {"type": "Sequence", "pretokenizers": [\#(cuts)]},"#
        let text = Array(repeating: String(repeating: "a", count: 30), count: 20).joined(separator: " ")
        let tokenizer = try tokenizer(file(parts))
        let time = ContinuousClock().measure { #expect(tokenizer.encode(text).count == 600) }
        #expect(time < .seconds(5))
    }

    @Test func stepsThatTheLibraryMixesUpAreRefused() throws {
        let template =
            #"{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "a"}}, {"Sequence": {"id": "A"}}],"#
            + #" "special_tokens": {"a": {"ids": [0]}}}"#
        let bert = #"{"type": "BertProcessing", "cls": ["a", 0], "sep": ["b", 1]}"#
        for parts in [
            #""post_processor": {"type": "Sequence", "processors": [\#(template), \#(bert)]},"#,
            #""decoder": {"type": "Sequence", "decoders": [{"type": "WordPiece"}, {"type": "ByteFallback"}]},"#,
        ] {
            let error = #expect(throws: TextError.self) { try tokenizer(file(parts)) }
            #expect(error?.code == .unsupported)
        }
        let fine = #""post_processor": {"type": "Sequence", "processors": [\#(bert), \#(template)]},"#
        #expect(try tokenizer(file(fine)).encode("b") == [0, 0, 1, 1])
    }

    // MARK: tokenizer.model

    /// A field of bytes.
    private func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
        var length = bytes.count
        var result = [number << 3 | 2]
        while length >= 0x80 {
            result.append(UInt8(length & 0x7F | 0x80))
            length >>= 7
        }
        return result + [UInt8(length)] + bytes
    }

    private func piece(_ text: String, _ type: UInt8) -> [UInt8] {
        field(1, field(1, Array(text.utf8)) + [0x18, type])
    }

    /// T5 has no token that begins a text: its id is -1. Here the token for what is unknown is not used either.
    @Test func idsOfNoTokenAreNotWritten() throws {
        let pieces = piece("<unk>", 5) + piece("a", 1)
        let none: [UInt8] = [0xC8, 0x02] + [UInt8](repeating: 0xFF, count: 9) + [1]
        let tokenizer = try tokenizer(Data(pieces + field(2, [0x18, 1] + none)), as: "tokenizer.model")
        #expect(tokenizer.encode("ab") == [1] && tokenizer.bosToken == nil)
    }

    /// The table says that the first byte of é, by itself, becomes x.
    @Test("Bad input 17: a table of replacements that ends within a character leaves it whole")
    func brokenCharacters() throws {
        var units = [UInt32](repeating: 0, count: 256)
        units[0xC3] = 0xC3 | 1 << 8 | 1 << 10
        units[0xC2] = 1 << 31
        let table = ([1024] + units).flatMap { unit in (0..<4).map { UInt8(truncatingIfNeeded: unit >> (8 * $0)) } }
        let replacements = Array("x\0".utf8)
        for kind: UInt8 in [1, 2] {
            let model =
                piece("<unk>", 2) + piece("x", 1) + piece("\u{e9}", 1) + field(2, [0x18, kind])
                + field(3, field(2, table + replacements) + [0x18, 0, 0x20, 0])
            let tokenizer = try tokenizer(Data(model), as: "tokenizer.model")
            #expect(tokenizer.encode("x\u{e9}", addSpecialTokens: false) == [1, 2])
        }
    }
}
