import Foundation

/// The progress line of an evaluation, on a terminal, once it takes longer than a moment.
final class EvalProgress {
    private static let patience = Duration.seconds(2)
    private static let interval = Duration.milliseconds(200)

    private let label: String
    private let clock = ContinuousClock()
    private let begin: ContinuousClock.Instant
    private var shownAt: ContinuousClock.Instant

    init(_ label: String) {
        self.label = label
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
        Terminal.showTransient("\(label): \(done) of \(total) answers, \(timeSpan(elapsed)), left \(left)")
    }

    func finish() { Terminal.clearTransientLine() }
}
