import Foundation
import Synchronization

/// How far a download or an upload is.
public struct HubProgress: Sendable, Equatable {
    /// Bytes that are where they belong, those of earlier downloads and uploads included.
    public var bytes = 0
    /// Bytes that were there in the beginning; what a speed is computed from is ``bytes`` less these.
    public var bytesBefore = 0
    /// Bytes of all files.
    public var totalBytes = 0
    /// Files that are there whole.
    public var files = 0
    /// All files.
    public var totalFiles = 0
    /// What is being done now, such as a file's path.
    public var activity = Activity.asking

    /// Nothing is known yet.
    public init() {}

    /// What a download or an upload does.
    public enum Activity: Sendable, Equatable {
        /// Asks the hub what there is.
        case asking
        /// Waits for another process that fetches the same file.
        case waiting(String)
        /// Fetches a file.
        case fetching(String)
        /// Computes the checksum of a file.
        case checking(String)
        /// Sends a file.
        case sending(String)
        /// Has the hub make what was sent a commit.
        case committing
        /// Everything is here, or there.
        case done
    }
}

/// Gathers what parallel connections bring and tells it, a few times a second.
final class ProgressMeter: Sendable {
    private let report: @Sendable (HubProgress) -> Void
    private let state = Mutex((progress: HubProgress(), next: ContinuousClock.now))

    private static let interval: Duration = .milliseconds(100)

    init(_ report: @escaping @Sendable (HubProgress) -> Void) { self.report = report }

    /// Changes what is known; told when it is time, or at once for what happens rarely.
    func change(isRare: Bool = true, _ body: (inout HubProgress) -> Void) {
        let told: HubProgress? = state.withLock { state in
            body(&state.progress)
            let now = ContinuousClock.now
            guard isRare || now >= state.next else { return nil }
            state.next = now + Self.interval
            return state.progress
        }
        if let told { report(told) }
    }

    func add(bytes: Int) { change(isRare: false) { $0.bytes += bytes } }
    func begin(_ activity: HubProgress.Activity) { change { $0.activity = activity } }
    func finishFile() { change { $0.files += 1 } }
}
