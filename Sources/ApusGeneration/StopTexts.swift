internal import ApusText

/// Texts that end a completion where they occur in it: vLLM's `stop` and transformers' `stop_strings`. The token that completes
/// one is the last that is kept.
struct StopTexts {
    private let texts: [[UInt8]]
    private let tokenizer: Tokenizer
    /// A text may begin in earlier tokens: so many of their bytes are looked at again.
    private let overlap: Int

    /// Nil where there is nothing to look for.
    init?(_ texts: [String], tokenizer: Tokenizer) {
        self.texts = texts.map { Array($0.utf8) }.filter { !$0.isEmpty }
        guard let longest = self.texts.map(\.count).max() else { return nil }
        overlap = longest - 1
        self.tokenizer = tokenizer
    }

    /// Whether a text is complete with this token.
    ///
    /// - Parameter tail: the last bytes of a completion so far; they go on with those of the token.
    func isComplete(with token: Int32, after tail: inout [UInt8]) -> Bool {
        tokenizer.appendBytes(of: token, skipSpecialTokens: true, to: &tail)
        defer { tail.removeFirst(max(0, tail.count - overlap)) }
        return texts.contains { tail.firstRange(of: $0) != nil }
    }
}
