/// The scores of several reward functions on one batch: a matrix of completions by functions.
///
/// A missing score is nil; it takes no part in sums, means or deviations. A row with no score at all is *unscorable*: it
/// is left out of its group's statistics and gets advantage 0.
package struct RewardTable: Sendable, Equatable {
    /// The functions' names, in the order of the columns.
    package let names: [String]
    /// One row for each completion, one score for each function; every score is finite.
    package let rows: [[Double?]]
    /// The functions that failed, where the policy lets a batch go on without them.
    package let failures: [RewardFailures]
    /// Figures that functions logged, each with its values in the order of the functions.
    package let metrics: [String: [Double]]
    /// Columns for the completions table, one value for each completion.
    package let extraColumns: [String: [JSONValue]]

    /// The scores of one function, in the order of the completions.
    package func column(_ function: Int) -> [Double?] { rows.map { $0[function] } }

    /// Whether no function had a score for this completion.
    package func isUnscorable(_ row: Int) -> Bool { rows[row].allSatisfy { $0 == nil } }

    /// The rows that no function scored.
    package var unscorableRows: [Int] { rows.indices.filter(isUnscorable) }

    /// The weighted sum of each row over the scores it has; nil for an unscorable row. Weights are not renormalised when
    /// some scores are missing, as in TRL.
    ///
    /// - Parameter weights: One for each function.
    package func rewards(weights: [Double]) -> [Double?] {
        precondition(weights.count == names.count, "one weight for each reward function")
        return rows.map { row in
            let terms = zip(row, weights).compactMap { score, weight in score.map { $0 * weight } }
            return terms.isEmpty ? nil : terms.reduce(0, +)
        }
    }

    /// Runs all functions at the same time and checks what they return.
    ///
    /// - Parameter policy: What happens when a function throws, returns the wrong number of scores or an infinite one.
    /// - Throws: ``RewardError`` of the first function, in the order given, that failed, when the policy is to stop;
    ///   `CancellationError` when the task was cancelled. NaN counts as nil.
    package init(
        _ functions: [any RewardFunction], on context: RewardContext, failure policy: RewardFailurePolicy = .stop
    ) async throws {
        let outcomes = await Self.outcomes(functions, context)
        try Task.checkCancellation()
        var columns: [[Double?]] = []
        var failures: [RewardFailures] = []
        var metrics: [String: [Double]] = [:]
        var extraColumns: [String: [JSONValue]] = [:]
        for (index, outcome) in outcomes.enumerated() {
            let checked = Self.checked(
                outcome, of: functions[index].name, count: context.completions.count, failed: policy.score)
            if let first = checked.failure {
                guard policy != .stop else { throw first }
                failures.append(RewardFailures(function: index, count: checked.failureCount, first: first))
            }
            columns.append(checked.evaluation.scores)
            metrics.merge(checked.evaluation.metrics) { $0 + $1 }
            extraColumns.merge(checked.evaluation.extraColumns) { $1 }
        }
        self.names = functions.map(\.name)
        self.rows = context.completions.indices.map { row in columns.map { $0[row] } }
        self.failures = failures
        self.metrics = metrics
        self.extraColumns = extraColumns
    }

    private typealias Outcome = Result<RewardEvaluation, any Error>

    private static func outcomes(_ functions: [any RewardFunction], _ context: RewardContext) async -> [Outcome] {
        let tasks = functions.map { function in Task { try await function.evaluate(context) } }
        return await withTaskCancellationHandler {
            var outcomes: [Outcome] = []
            for task in tasks { outcomes.append(await task.result) }
            return outcomes
        } onCancel: {
            for task in tasks { task.cancel() }
        }
    }

    /// An evaluation whose scores are finite and one for each completion, with what had to go for that.
    private struct Checked {
        var evaluation: RewardEvaluation
        var failure: RewardError?
        var failureCount = 0
    }

    /// - Parameter score: what a completion gets on which the function failed.
    private static func checked(
        _ outcome: Outcome, of name: String, count: Int, failed score: Double?
    ) -> Checked {
        func nothing(_ failure: RewardError) -> Checked {
            let scores = [Double?](repeating: score, count: count)
            return Checked(evaluation: RewardEvaluation(scores: scores), failure: failure, failureCount: count)
        }
        switch outcome {
        case .failure(let error as RewardError): return nothing(error)
        case .failure(let error): return nothing(.failed(function: name, sample: nil, reason: "\(error)"))
        case .success(var evaluation):
            guard evaluation.scores.count == count else {
                return nothing(.wrongCount(function: name, wanted: count, found: evaluation.scores.count))
            }
            var failures = evaluation.failures.map {
                (sample: $0.sample, error: RewardError.failed(function: name, sample: $0.sample, reason: $0.reason))
            }
            for (sample, value) in evaluation.scores.enumerated() {
                guard let value, !value.isFinite else { continue }
                if value.isInfinite {
                    failures.append((sample, .infinite(function: name, sample: sample, score: value)))
                }
                evaluation.scores[sample] = nil
            }
            for failure in failures where evaluation.scores.indices.contains(failure.sample) {
                evaluation.scores[failure.sample] = score
            }
            let first = failures.min { $0.sample < $1.sample }
            return Checked(evaluation: evaluation, failure: first?.error, failureCount: failures.count)
        }
    }
}
