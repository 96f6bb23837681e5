import Apus

/// Completions that grow together and are given out in order: prompt by prompt, sample by sample.
struct OrderedCompletions {
    /// One finished completion.
    struct Ready: Equatable {
        var request: Int
        var sample: Int
        var tokens: [Int32]
        /// Whether it was cut at the longest length.
        var isTruncated: Bool
    }

    private let completions: Int
    private var tokens: [[Int32]]
    private var ended: [FinishReason?]
    /// How many have been given out.
    private(set) var written = 0

    init(requests: Int, completions: Int) {
        self.completions = completions
        tokens = [[Int32]](repeating: [], count: requests * completions)
        ended = [FinishReason?](repeating: nil, count: requests * completions)
    }

    /// Takes a token.
    ///
    /// - Returns: whether the completion is finished with it.
    mutating func append(_ heard: GeneratedToken) -> Bool {
        let index = heard.request * completions + heard.sample
        tokens[index].append(heard.token)
        ended[index] = heard.finishReason
        return heard.finishReason != nil
    }

    /// The finished completions that nothing unfinished precedes, each once.
    mutating func takeReady() -> [Ready] {
        var result: [Ready] = []
        while written < ended.count, let reason = ended[written] {
            result.append(ready(written, tokens[written], isTruncated: reason == .length))
            tokens[written] = []
            written += 1
        }
        return result
    }

    /// The finished completions that `takeReady` has not given out, when what precedes them will never be finished.
    mutating func takeFinished() -> [Ready] {
        let finished = (written..<ended.count).compactMap { index in
            ended[index].map { ready(index, tokens[index], isTruncated: $0 == .length) }
        }
        written += finished.count
        return finished
    }

    /// What `takeReady` has not given out, when generation is over.
    mutating func rest(of results: [[Completion]]) -> [Ready] {
        let all = results.flatMap { $0 }
        defer { written = all.count }
        return (written..<all.count).map { ready($0, all[$0].tokens, isTruncated: all[$0].isTruncated) }
    }

    private func ready(_ index: Int, _ tokens: [Int32], isTruncated: Bool) -> Ready {
        Ready(
            request: index / completions, sample: index % completions, tokens: tokens, isTruncated: isTruncated)
    }
}
