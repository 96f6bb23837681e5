import ApusFormats
import Foundation

@testable import ApusText

/// Tokenizes for the script that compares with `tokenizers`: each line of input is
/// `{"tokenizer": a tokenizer.json as text, "texts": […], "ids": [[…], …]}`, and each of output the ids of every text
/// without and with special tokens, and the text of every list of ids with special tokens and without; or the error.
func answer(to line: String) -> JSONValue {
    guard let request = try? JSONValue(json: line.utf8), let file = request["tokenizer"]?.string else {
        return ["error": "no request", "code": "request"]
    }
    do throws(TextError) {
        let definition = try TokenizerFile(Array(file.utf8), name: "tokenizer.json").definition()
        let tokenizer = try Tokenizer(
            definition, TokenizerConfiguration(), origin: .directory(URL(filePath: "/")))
        let texts = request["texts"]?.array?.compactMap(\.string) ?? []
        let sequences =
            request["ids"]?.array?.map { ($0.array ?? []).compactMap { $0.integer.map { Int32($0) } } } ?? []
        return [
            "ids": .array(texts.map { tokens(tokenizer.encode($0, addSpecialTokens: false)) }),
            "special": .array(texts.map { tokens(tokenizer.encode($0)) }),
            "plain": .array(sequences.map { .string(tokenizer.decode($0, skipSpecialTokens: false)) }),
            "skipped": .array(sequences.map { .string(tokenizer.decode($0)) }),
        ]
    } catch {
        return ["error": .string(error.description), "code": .string("\(error.code)")]
    }
}

func tokens(_ ids: [Int32]) -> JSONValue { .array(ids.map { .integer(Int($0)) }) }

while let line = readLine() {
    // Whoever asked waits for the line.
    FileHandle.standardOutput.write(Data((JSONWriter.compact.write(answer(to: line)) + "\n").utf8))
}
