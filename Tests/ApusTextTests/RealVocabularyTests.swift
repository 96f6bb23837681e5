import ApusTestSupport
import ApusText
import Foundation
import Testing

/// Real vocabularies, where there are some: APUS_REAL_TOKENIZERS names the folder that real_golden.py wrote.
@Suite struct RealVocabularyTests {
    private struct Golden: Decodable {
        var strings: [String]
        var encode: [[Int32]]
        var sequences: [[Int32]]
        var decode: [String]
    }

    private static let folders: [URL] = {
        guard let path = ProcessInfo.processInfo.environment["APUS_REAL_TOKENIZERS"] else { return [] }
        let folder = URL(filePath: path, directoryHint: .isDirectory)
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        return names.sorted().map { folder.appending(path: $0, directoryHint: .isDirectory) }
    }()

    @Test(.enabled(if: !folders.isEmpty), arguments: folders) func encodesAndDecodesAsItsOwnLibrary(folder: URL) throws
    {
        let data = try Data(contentsOf: folder.appending(path: "golden.json"))
        let golden = try JSONDecoder().decode(Golden.self, from: data)
        let clock = ContinuousClock()
        var tokenizer: Tokenizer?
        let opening = try clock.measure { tokenizer = try Tokenizer(directory: folder) }
        let opened = try #require(tokenizer)
        let large = String(repeating: golden.strings.joined(separator: "\n") + "\n", count: 60).utf8.prefix(4_000_000)
        let text = String(decoding: Array(large), as: UTF8.self)
        let encoding = clock.measure { _ = opened.encode(text) }
        print(folder.lastPathComponent, "opened in \(opening), \(text.utf8.count) bytes encoded in \(encoding)")
        var differing: [String] = []
        for (text, ids) in zip(golden.strings, golden.encode) where opened.encode(text, addSpecialTokens: false) != ids
        {
            differing.append(text.debugDescription)
        }
        #expect(differing.isEmpty, "\(differing.count) of \(golden.strings.count): \(differing.prefix(5))")
        var undone = 0
        for (ids, text) in zip(golden.sequences, golden.decode) where opened.decode(ids).scalars != text.scalars {
            undone += 1
            if undone < 4 { print(ids.prefix(12), opened.decode(ids).debugDescription, text.debugDescription) }
        }
        #expect(undone == 0, "\(undone) of \(golden.decode.count)")
    }
}
