import Apus
import Foundation

/// Reading a tokenizer, and tokenizing 4 MB of text or a file.
struct TokenizeBench {
    let path: String
    /// A file of text; nil for text of many scripts that is always the same.
    let file: String?

    func run(runs: Int) throws -> BenchResult {
        let text = try self.text()
        var opening: [Double] = []
        var encoding: [Double] = []
        var count = 0
        for _ in 0..<runs {
            let clock = ContinuousClock()
            let begin = clock.now
            let tokenizer = try failing(as: .badInput) { try LanguageModel.tokenizer(path: path) }
            let opened = clock.now
            count = tokenizer.encode(text, addSpecialTokens: false).count
            opening.append(begin.duration(to: opened).seconds)
            encoding.append(opened.duration(to: clock.now).seconds)
        }
        var result = BenchResult()
        result.openSeconds = Spread(seconds: opening).median
        result.tokenizeSeconds = result.noting(Spread(seconds: encoding))
        result.textTokens = count
        return result
    }

    private func text() throws -> String {
        guard let file else { return Self.mixedText }
        return String(decoding: try InputFile.bytes(file, of: "text"), as: UTF8.self)
    }

    /// Prose, code, numbers, markup and several scripts in turn.
    private static let mixedText: String = {
        let samples = [
            "The quick brown fox doesn't jump over 13 lazy dogs; it'll rest until 10:45 p.m.\n",
            "for (int i = 0; i < 1024; ++i) {\n\t\tsum += data[i] * weights[i % 8];  // accumulate\n}\n",
            "Größere Änderungen müssen überprüft werden, außer wenn's eilt.\n", "敏捷的棕色狐狸跳过了懒狗，价格是１２３元。\n",
            "Быстрая коричневая лиса прыгает через ленивую собаку.\n", "भूरी लोमड़ी आलसी कुत्ते के ऊपर से कूदती है।\n",
            "الثعلب البني السريع يقفز فوق الكلب الكسول.\n", "素早い茶色の狐がのろまな犬を飛び越える👩‍👩‍👧 ✨\n",
            "{\"name\": \"value\", \"list\": [1, 2.5, -3e10, true, null]}\r\n", "<|user|>\n\n\n   What is 3^4?   \t\n",
        ]
        let round = samples.joined()
        return String(repeating: round, count: 4_000_000 / round.utf8.count + 1)
    }()
}
