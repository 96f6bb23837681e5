import Apus
import Foundation
import Synchronization

/// Shows how far a download or an upload is: what, how much of it, how fast, and how long it will take.
final class HubDisplay: Sendable {
    private let name: String
    private let start = Mutex<ContinuousClock.Instant?>(nil)

    init(_ name: String) { self.name = name }

    /// A line on a terminal; nothing elsewhere.
    @Sendable func show(_ progress: HubProgress) {
        guard Terminal.showsProgress else { return }
        let now = ContinuousClock.now
        let started = start.withLock { start in
            switch progress.activity {
            case .fetching, .sending: start = start ?? now
            default: break
            }
            return start
        }
        Terminal.showTransient("\(name): \(Self.text(progress, elapsed: started.map { ($0.duration(to: now)) }))")
    }

    /// Says where a repository is now that was moved, and that the hub was not reached.
    func tell(about snapshot: HubSnapshot) {
        if let current = snapshot.currentID {
            Terminal.complain("\(name): the hub calls it \(current) now; write that name")
        }
    }

    func finish() { Terminal.clearTransientLine() }

    /// - Parameter elapsed: since the first byte was asked for; nil before.
    static func text(_ progress: HubProgress, elapsed: Duration?) -> String {
        switch progress.activity {
        case .asking: return "looking it up"
        case .waiting(let file): return "waiting for another program that fetches \(file)"
        case .checking(let file): return "computing the checksum of \(file)"
        case .committing: return "the hub makes a commit"
        case .done: return "done"
        case .fetching, .sending: break
        }
        let share = "\(megabytes(progress.bytes)) of \(megabytes(progress.totalBytes)) MB"
        let seconds = elapsed.map { $0 / .seconds(1) } ?? 0
        let fetched = Double(progress.bytes - progress.bytesBefore)
        guard seconds >= 1, fetched > 0 else { return share }
        let speed = fetched / seconds
        return
            "\(share), \(fixed(speed / 1e6, 1)) MB/s, \(timeSpan(Double(progress.totalBytes - progress.bytes) / speed)) left"
    }

    private static func megabytes(_ bytes: Int) -> String { fixed(Double(bytes) / 1e6, bytes < 10_000_000 ? 1 : 0) }
}
