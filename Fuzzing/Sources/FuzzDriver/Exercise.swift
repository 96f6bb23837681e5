internal import Foundation

@testable package import ApusText

/// What a tokenizer is fed with where the input brings no text: every kind of character that something looks at.
package let nastyText =
    "The 1st  don't\r\n\t a\u{301}\u{e9}\u{fb01}\u{ff21}\u{2460}\u{bd} \u{4f60}\u{597d}, \u{2581}x<s></s><0x41>[UNK] ##ab"
    + "\u{1F44D}\u{1F3FD}\u{3000}\u{a0}_-.!\u{200d}\u{d55c}\u{11a8}\u{130}\u{17f} aaaaabab \u{0}\u{ad}\u{e000} "

/// Reads a tokenizer, which may be refused in one line, and encodes and decodes with it.
package func exercise(
    _ text: String, _ definition: () throws(TextError) -> TokenizerDefinition
) {
    do throws(TextError) {
        let definition = try definition()
        let tokenizer = try Tokenizer(definition, TokenizerConfiguration(), origin: .directory(URL(filePath: "/")))
        // A text that grows more is within the bounds, but above the limit of an allocation.
        let growths = [definition.encodingGrowth, definition.decodingGrowth]
        if growths.allSatisfy({ $0.factor <= 500 && $0.extra <= 10_000 }) { exercise(tokenizer, text) }
    } catch {
        expect(!error.description.utf8.contains(UInt8(ascii: "\n")), "an error of several lines: \(error)")
    }
}

private func exercise(_ tokenizer: Tokenizer, _ text: String) {
    let ids = tokenizer.encode(text, addSpecialTokens: false)
    for id in tokenizer.encode(text) {
        expect((0..<tokenizer.vocabularySize).contains(Int(id)), "\(id) of \(tokenizer.vocabularySize) tokens")
    }
    let some = (0..<Int32(min(tokenizer.vocabularySize, 300))).reversed()
    for ids in [ids, some + [-1, .max, 0, 0]] {
        for skips in [false, true] {
            var decoder = StreamingDecoder(tokenizer: tokenizer, skipSpecialTokens: skips)
            let streamed = ids.map { decoder.append($0) }.joined() + decoder.finish()
            let whole = tokenizer.decode(ids, skipSpecialTokens: skips)
            expect(
                streamed.unicodeScalars.elementsEqual(whole.unicodeScalars),
                "\(ids.prefix(40)) is \(whole.debugDescription), streamed \(streamed.debugDescription)")
        }
    }
    for id in ids.prefix(100) { if let token = tokenizer.token(id) { _ = tokenizer.id(of: token) } }
}

/// As `precondition`, and says what failed where the optimizer would leave that out.
private func expect(_ holds: Bool, _ failure: @autoclosure () -> String) {
    if holds { return }
    FileHandle.standardError.write(Data((failure() + "\n").utf8))
    preconditionFailure()
}
