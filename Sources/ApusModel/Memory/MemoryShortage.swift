internal import ApusTensor

/// There is less memory than one piece of work needs: the budget holds fewer pages, or a card has no more for it.
public struct MemoryShortage: Error, CustomStringConvertible, Equatable {
    /// A piece of work that needs all its memory at once.
    public enum Work: Sendable, Equatable {
        /// The rows of the completions that are trained on together.
        case trainingPass
        /// One sequence of so many tokens, prompt and completion, that has all pages to itself.
        case sequence(tokens: Int)
        /// Whatever it is that a card has no memory for.
        case onCard
    }

    /// What needs the memory.
    public let work: Work
    /// Bytes wanted.
    public let wanted: Int
    /// Bytes of the budget, or that the card has left.
    public let found: Int
    /// Whether it is main memory that rows are offloaded to.
    public let isOfHost: Bool
    /// What a card says of itself.
    private let card: DeviceShortage?

    init(work: Work, wanted: Int, found: Int, isOfHost: Bool = false) {
        (self.work, self.wanted, self.found, self.isOfHost) = (work, wanted, found, isOfHost)
        card = nil
    }

    private init(_ card: DeviceShortage) {
        (work, wanted, found, isOfHost) = (.onCard, card.wanted, card.left, false)
        self.card = card
    }

    /// What an error says of memory; nil where it is about something else.
    package init?(_ error: any Error) {
        if let shortage = error as? MemoryShortage {
            self = shortage
        } else if let shortage = (error as? TensorError)?.shortage {
            self.init(shortage)
        } else {
            return nil
        }
    }

    /// One line: what was wanted, what was found, what to do. Whoever knows how the user gives these numbers says ``finding``
    /// and the names instead.
    public var description: String {
        switch work {
        case _ where isOfHost: "\(finding); free some of it, or keep rows on the card"
        case .trainingPass: "\(finding); train on fewer completions at a time, or give pages a larger budget"
        case .sequence: "\(finding); shorten prompt or completion, or give pages a larger budget"
        case .onCard: "\(finding); use a smaller batch or model"
        }
    }

    /// What was wanted and what was found.
    public var finding: String {
        let mebibyte = 1_048_576
        func beyondBudget(_ purpose: String) -> String {
            "memory: wanted \((wanted + mebibyte - 1) / mebibyte) MiB \(isOfHost ? "of main memory " : "")for \(purpose), "
                + "found a budget of \(found / mebibyte) MiB"
        }
        return switch work {
        case .trainingPass: beyondBudget("the rows of one pass of training")
        case .sequence(let tokens): beyondBudget("one sequence of \(tokens) tokens")
        case .onCard: card?.finding ?? beyondBudget("the card")
        }
    }
}
