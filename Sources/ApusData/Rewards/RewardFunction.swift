/// Scores completions. Names appear in the logs as `rewards/<name>/mean`.
public protocol RewardFunction: Sendable {
    /// The name under which the scores are logged.
    var name: String { get }

    /// One score for each completion, in order; nil (or NaN) where the function does not apply.
    ///
    /// - Throws: Whatever went wrong; the caller reports it under the function's name.
    func scores(_ context: RewardContext) async throws -> [Double?]

    /// The scores with what else the function has to tell: which completions it failed on, metrics, columns for the
    /// completions table. What only gives scores need not implement it.
    ///
    /// - Throws: What kept the function from scoring any completion.
    func evaluate(_ context: RewardContext) async throws -> RewardEvaluation

    /// What it pays for; nil where that is not known, as with code of the user's.
    var aim: RewardAim? { get }

    /// What the function is made of, for a continuation to compare. A function that is code of this program need not say.
    var identity: RewardIdentity { get }
}

extension RewardFunction {
    /// The scores, and nothing else.
    ///
    /// - Throws: What ``scores(_:)`` throws.
    public func evaluate(_ context: RewardContext) async throws -> RewardEvaluation {
        RewardEvaluation(scores: try await scores(context))
    }

    /// Not known.
    public var aim: RewardAim? { nil }

    /// The name says all.
    public var identity: RewardIdentity { RewardIdentity() }
}

/// A reward made of a closure that looks at one completion at a time.
public struct Reward: RewardFunction {
    /// Scores one completion; `columns` are the columns of the sample it answers. Nil means "not applicable".
    public typealias Body = @Sendable (_ completion: String, _ columns: [String: JSONValue]) throws -> Double?

    /// The name under which the scores are logged.
    public let name: String
    /// What it pays for; nil where that is not known.
    public let aim: RewardAim?
    private let body: Body

    /// A reward with a name for the logs.
    /// - Parameter aim: what it pays for. With it a run can warn when form is learnt and answers are not.
    public init(_ name: String, aim: RewardAim? = nil, _ body: @escaping Body) {
        self.name = name
        self.aim = aim
        self.body = body
    }

    /// - Throws: ``RewardError/failed(function:sample:reason:)`` naming the completion on which the closure threw.
    public func scores(_ context: RewardContext) throws(RewardError) -> [Double?] {
        let evaluation = evaluate(context)
        if let failure = evaluation.failures.first {
            throw .failed(function: name, sample: failure.sample, reason: failure.reason)
        }
        return evaluation.scores
    }

    /// Scores each completion; the ones on which the closure threw are among the failures.
    public func evaluate(_ context: RewardContext) -> RewardEvaluation {
        var evaluation = RewardEvaluation(scores: [])
        evaluation.scores.reserveCapacity(context.completions.count)
        for (index, completion) in context.completions.enumerated() {
            do {
                evaluation.scores.append(try body(completion, context.columns(at: index)))
            } catch {
                evaluation.scores.append(nil)
                evaluation.failures.append(SampleFailure(sample: index, reason: "\(error)"))
            }
        }
        return evaluation
    }
}
