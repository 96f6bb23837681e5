/// The memory budget holds fewer pages than one piece of work needs.
public struct MemoryShortage: Error, CustomStringConvertible, Equatable {
    /// A piece of work that needs all its pages at once.
    public enum Work: Sendable, Equatable {
        /// The rows of the completions that are trained on together.
        case trainingPass
        /// One sequence of so many tokens, prompt and completion, that has all pages to itself.
        case sequence(tokens: Int)
    }

    /// What needs the pages.
    public let work: Work
    /// Bytes wanted.
    public let wanted: Int
    /// Bytes of the budget.
    public let found: Int

    /// One line: what was wanted, what was found, what to do. Whoever knows how the user gives these numbers says ``finding``
    /// and the names instead.
    public var description: String {
        switch work {
        case .trainingPass: "\(finding); train on fewer completions at a time, or give pages a larger budget"
        case .sequence: "\(finding); shorten prompt or completion, or give pages a larger budget"
        }
    }

    /// What was wanted and what was found.
    public var finding: String {
        let mebibyte = 1_048_576
        let purpose =
            switch work {
            case .trainingPass: "the rows of one pass of training"
            case .sequence(let tokens): "one sequence of \(tokens) tokens"
            }
        return "memory: wanted \((wanted + mebibyte - 1) / mebibyte) MiB for \(purpose), found a budget of "
            + "\(found / mebibyte) MiB"
    }
}
