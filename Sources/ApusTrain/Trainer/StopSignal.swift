import Synchronization

/// A request to stop, safe to make from any thread and from a signal handler.
public final class StopSignal: Sendable {
    private let isSet = Atomic(false)

    /// A signal that is not set.
    public init() {}

    /// Asks the run to finish its optimizer step, save and stop.
    public func request() { isSet.store(true, ordering: .relaxed) }

    /// Whether a stop was asked for.
    public var isRequested: Bool { isSet.load(ordering: .relaxed) }
}
