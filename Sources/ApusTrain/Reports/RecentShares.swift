/// The shares of the last steps, for what one step of a few groups cannot tell.
struct RecentShares: Sendable {
    /// What one log line says; `nil` where it says nothing.
    struct Shares: Sendable {
        var step: Int
        /// Groups whose rewards are equal.
        var equalGroups: Double?
        /// What was earned of what form can earn.
        var form: Double?
        /// What was earned of what right answers can earn.
        var answers: Double?
    }

    private var lines: [Shares] = []
    /// The step before the first line that was seen.
    private var begin: Int?

    /// Takes a line and forgets those that are older than some steps.
    /// - Parameter lastStep: the step of the line before; 0 before the first.
    mutating func append(_ shares: Shares, after lastStep: Int, within steps: Int) {
        begin = begin ?? lastStep
        lines.append(shares)
        lines.removeAll { $0.step <= shares.step - steps }
    }

    /// The means of the last steps; `nil` before that many were seen.
    func mean(over steps: Int) -> Shares? {
        guard let last = lines.last, let begin, last.step - begin >= steps else { return nil }
        func mean(_ value: (Shares) -> Double?) -> Double? {
            let values = lines.compactMap(value)
            return values.isEmpty ? nil : values.mean
        }
        return Shares(
            step: last.step, equalGroups: mean(\.equalGroups), form: mean(\.form), answers: mean(\.answers))
    }
}
