/// What several runs of one piece of work gave.
struct Spread: Equatable {
    let median: Double
    let best: Double
    let worst: Double

    /// Runs that took so many seconds: the shortest is the best.
    init(seconds: [Double]) {
        self.init(sorted: seconds.sorted())
    }

    /// Runs that did so much a second: the largest is the best.
    init(rates: [Double]) {
        self.init(sorted: rates.sorted(by: >))
    }

    private init(sorted: [Double]) {
        precondition(!sorted.isEmpty, "a median needs a value")
        median = (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
        best = sorted[0]
        worst = sorted[sorted.count - 1]
    }
}
