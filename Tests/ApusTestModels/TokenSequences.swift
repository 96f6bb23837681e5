public import ApusModel

/// Groups whose sequences meet every case of the paged cache.
public enum TokenSequences {
    /// Prompts shorter than a page, one short of it, a whole page, one more, and two pages and one.
    public static let promptLengths = [1, 15, 16, 17, 33]

    /// Fixed, arbitrary tokens 3 ..< 256, which are no end tokens of the tiny models.
    public static func tokens(_ count: Int, seed: Int) -> [Int32] {
        (0..<count).map { Int32(3 + ($0 * 89 + seed * 57 + $0 * $0 * 31) % 253) }
    }

    /// A group for each prompt length, with completions of 1, 17 and 40 tokens.
    public static let groups = promptLengths.enumerated().map { index, length in
        TokenGroup(
            prompt: tokens(length, seed: index),
            completions: [1, 17, 40].map { tokens($0, seed: 100 + 10 * index + $0) })
    }
}
