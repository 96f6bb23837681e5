import Foundation

/// The progress line of work that is counted, on a terminal, once it takes longer than a moment.
final class CountedProgress {
    private static let patience = Duration.seconds(2)
    private static let interval = Duration.milliseconds(200)

    private let label: String
    private let unit: String
    private let clock = ContinuousClock()
    private let begin: ContinuousClock.Instant
    private var shownAt: ContinuousClock.Instant

    /// - Parameters:
    ///   - label: what is being done.
    ///   - unit: what is counted, in the plural.
    init(_ label: String, of unit: String) {
        self.label = label
        self.unit = unit
        begin = clock.now
        shownAt = begin
    }

    func show(done: Int, of total: Int) {
        let now = clock.now
        guard Terminal.showsProgress, begin.duration(to: now) > Self.patience,
            shownAt.duration(to: now) > Self.interval
        else { return }
        shownAt = now
        let elapsed = begin.duration(to: now).seconds
        let left = timeSpan(elapsed / Double(max(done, 1)) * Double(total - done))
        Terminal.showTransient("\(label): \(done) of \(total) \(unit), \(timeSpan(elapsed)), left \(left)")
    }

    func finish() { Terminal.clearTransientLine() }
}
