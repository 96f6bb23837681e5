/// The scores of several reward functions on one batch: a matrix of completions by functions.
///
/// A missing score is nil; it takes no part in sums, means or deviations. A row with no score at all is *unscorable*: it
/// is left out of its group's statistics and gets advantage 0.
public struct RewardTable: Sendable, Equatable {
    /// The functions' names, in the order of the columns.
    public let names: [String]
    /// One row for each completion, one score for each function; every score is finite.
    public let rows: [[Double?]]

    /// The scores of one function, in the order of the completions.
    public func column(_ function: Int) -> [Double?] { rows.map { $0[function] } }

    /// Whether no function had a score for this completion.
    public func isUnscorable(_ row: Int) -> Bool { rows[row].allSatisfy { $0 == nil } }

    /// The rows that no function scored.
    public var unscorableRows: [Int] { rows.indices.filter(isUnscorable) }

    /// The weighted sum of each row over the scores it has; nil for an unscorable row. Weights are not renormalised when
    /// some scores are missing, as in TRL.
    ///
    /// - Parameter weights: One for each function.
    public func rewards(weights: [Double]) -> [Double?] {
        precondition(weights.count == names.count, "one weight for each reward function")
        return rows.map { row in
            let terms = zip(row, weights).compactMap { score, weight in score.map { $0 * weight } }
            return terms.isEmpty ? nil : terms.reduce(0, +)
        }
    }

    /// Runs all functions at the same time and checks what they return.
    ///
    /// - Throws: ``RewardError`` of the first function, in the order given, that failed, returned the wrong number of
    ///   scores or an infinite one; `CancellationError` when the task was cancelled. NaN counts as nil.
    public init(_ functions: [any RewardFunction], on context: RewardContext) async throws {
        let outcomes = await Self.outcomes(functions, context)
        try Task.checkCancellation()
        let columns = try zip(functions, outcomes).map { function, outcome in
            try Self.checked(outcome, of: function.name, count: context.completions.count)
        }
        self.names = functions.map(\.name)
        self.rows = context.completions.indices.map { row in columns.map { $0[row] } }
    }

    private typealias Outcome = Result<[Double?], any Error>

    private static func outcomes(_ functions: [any RewardFunction], _ context: RewardContext) async -> [Outcome] {
        let tasks = functions.map { function in Task { try await function.scores(context) } }
        return await withTaskCancellationHandler {
            var outcomes: [Outcome] = []
            for task in tasks { outcomes.append(await task.result) }
            return outcomes
        } onCancel: {
            for task in tasks { task.cancel() }
        }
    }

    private static func checked(_ outcome: Outcome, of name: String, count: Int) throws(RewardError) -> [Double?] {
        let scores: [Double?]
        switch outcome {
        case .success(let returned): scores = returned
        case .failure(let error as RewardError): throw error
        case .failure(let error): throw .failed(function: name, sample: nil, reason: "\(error)")
        }
        guard scores.count == count else { throw .wrongCount(function: name, wanted: count, found: scores.count) }
        if let sample = scores.firstIndex(where: { $0?.isInfinite ?? false }), let score = scores[sample] {
            throw .infinite(function: name, sample: sample, score: score)
        }
        return scores.map { score in score.flatMap { $0.isNaN ? nil : $0 } }
    }
}
