import Apus
import Foundation

/// The share of an export that is written, on a terminal only and not before two seconds have passed.
final class ExportProgress {
    private static let patience = 2.0
    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant
    private var shown = -1

    init() { start = clock.now }

    /// Shows a share from 0 to 1.
    func show(_ fraction: Double) {
        let percent = (fraction * 100).wholeNumber(in: 0...100)
        guard Terminal.showsProgress, percent != shown else { return }
        let seconds = start.duration(to: clock.now).seconds
        guard seconds > Self.patience else { return }
        shown = percent
        let left = fraction > 0 ? seconds / fraction * (1 - fraction) : 0
        Terminal.showTransient("writing \(percent) %, \(timeSpan(left)) left")
    }

    /// Takes the line away.
    func finish() { Terminal.clearTransientLine() }
}
