import Apus

/// Completions that grow together and are given out in order: prompt by prompt, sample by sample.
struct OrderedCompletions {
    /// One finished completion.
    struct Ready: Equatable {
        var request: Int
        var sample: Int
        var tokens: [Int32]
        /// Whether it ended without an end token.
        var isTruncated: Bool
    }

    private let completions: Int
    private let limits: [Int]
    private var tokens: [[Int32]]
    private var ended: [Bool?]
    /// How many have been given out.
    private(set) var written = 0

    /// - Parameter limits: the longest completion of each request.
    init(requests: Int, completions: Int, limits: [Int]) {
        self.completions = completions
        self.limits = limits
        tokens = [[Int32]](repeating: [], count: requests * completions)
        ended = [Bool?](repeating: nil, count: requests * completions)
    }

    /// Takes a token.
    ///
    /// - Returns: whether the completion is finished with it.
    mutating func append(_ token: Int32, isEnd: Bool, request: Int, sample: Int) -> Bool {
        let index = request * completions + sample
        tokens[index].append(token)
        guard isEnd || tokens[index].count >= limits[request] else { return false }
        ended[index] = isEnd
        return true
    }

    /// The finished completions that nothing unfinished precedes, each once.
    mutating func takeReady() -> [Ready] {
        var result: [Ready] = []
        while written < ended.count, let isEnd = ended[written] {
            result.append(ready(written, tokens[written], isTruncated: !isEnd))
            tokens[written] = []
            written += 1
        }
        return result
    }

    /// The finished completions that `takeReady` has not given out, when what precedes them will never be finished.
    mutating func takeFinished() -> [Ready] {
        let finished = (written..<ended.count).compactMap { index in
            ended[index].map { ready(index, tokens[index], isTruncated: !$0) }
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
