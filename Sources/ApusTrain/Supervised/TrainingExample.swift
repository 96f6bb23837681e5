import ApusModel

/// One sequence of supervised training in tokens.
public struct TrainingExample: Sendable, Equatable {
    /// What comes before the first token that is learnt; at least one token.
    public var prompt: [Int32]
    /// The rest of the sequence.
    public var completion: [Int32]
    /// Which tokens of the completion are learnt.
    public var isLearnt: [Bool]

    /// A sequence.
    public init(prompt: [Int32], completion: [Int32], isLearnt: [Bool]) {
        precondition(completion.count == isLearnt.count, "one flag a token")
        self.prompt = prompt
        self.completion = completion
        self.isLearnt = isLearnt
    }

    /// Tokens of the whole sequence.
    public var count: Int { prompt.count + completion.count }

    /// Tokens that are learnt.
    public var learntCount: Int { isLearnt.count { $0 } }

    /// The sequence as the model takes it.
    var group: TokenGroup { TokenGroup(prompt: prompt, completions: [completion]) }

    /// The sequence cut to its first tokens; nil when nothing that is learnt remains.
    func cut(to limit: Int) -> TrainingExample? {
        guard count > limit else { return self }
        let rest = limit - prompt.count
        guard rest > 0 else { return nil }
        let cut = TrainingExample(
            prompt: prompt, completion: Array(completion.prefix(rest)), isLearnt: Array(isLearnt.prefix(rest)))
        return cut.learntCount > 0 ? cut : nil
    }

    /// A whole sequence and which of its tokens are learnt: the prompt ends before the first of them that can be predicted.
    /// Nil when there is none: the first token of a sequence has nothing to be predicted from.
    init?(tokens: [Int32], learning isLearnt: [Bool]) {
        guard let first = isLearnt.dropFirst().firstIndex(of: true) else { return nil }
        self.init(
            prompt: Array(tokens[..<first]), completion: Array(tokens[first...]), isLearnt: Array(isLearnt[first...]))
    }
}
