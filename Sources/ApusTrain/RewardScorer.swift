import ApusData

/// Runs the reward functions over a generation batch and checks what they return.
struct RewardScorer: Sendable {
    let functions: [any RewardFunction]

    /// The rewards, `[row][function]`, NaN where a function did not apply. Functions run concurrently.
    func table(_ context: RewardContext) async throws(TrainingError) -> [[Double]] {
        let rows = context.completions.count
        let columns = await withTaskGroup(of: (Int, Result<[Double], TrainingError>).self) { tasks in
            for (index, function) in functions.enumerated() {
                tasks.addTask { (index, await Self.column(function, context)) }
            }
            var columns = [Result<[Double], TrainingError>](repeating: .success([]), count: functions.count)
            for await (index, column) in tasks { columns[index] = column }
            return columns
        }
        var table = [[Double]](repeating: [], count: rows)
        for column in columns {
            for (row, value) in try column.get().enumerated() { table[row].append(value) }
        }
        return table
    }

    private static func column(
        _ function: any RewardFunction, _ context: RewardContext
    ) async -> Result<[Double], TrainingError> {
        let scores: [Double?]
        do {
            scores = try await function.scores(context)
        } catch {
            return .failure(failure(function, context, "failed: \(error)"))
        }
        guard scores.count == context.completions.count else {
            let counts = "returned \(scores.count) values for \(context.completions.count) completions"
            return .failure(failure(function, context, counts + ": return one value, or nil, for each"))
        }
        if let row = scores.firstIndex(where: { $0?.isInfinite == true }) {
            return .failure(failure(function, context, "returned an infinite value for completion \(row)"))
        }
        return .success(scores.map { $0 ?? .nan })
    }

    private static func failure(
        _ function: any RewardFunction, _ context: RewardContext, _ what: String
    ) -> TrainingError {
        TrainingError(.reward, "reward '\(function.name)' at step \(context.globalStep + 1) \(what)")
    }
}
