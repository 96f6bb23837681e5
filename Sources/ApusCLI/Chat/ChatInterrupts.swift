import Dispatch
import Foundation
import Synchronization

/// Ctrl-C in a conversation: stops the answer that is coming; where none is, and the second time, ends the program.
final class ChatInterrupts: Sendable {
    private enum State {
        case idle(since: ContinuousClock.Instant)
        case answering
        case stopping
    }

    /// Whoever means to stop an answer may be a moment late for it: that must not cost the conversation.
    private static let grace = Duration.milliseconds(500)

    private let state = Mutex(State.idle(since: ContinuousClock.now - .seconds(1)))
    // Written once in init and only kept alive after that: a source stops when it is released.
    nonisolated(unsafe) private var source: (any DispatchSourceSignal)?

    /// - Parameters:
    ///   - onLate: called, on another thread, for a Ctrl-C that comes just after an answer has ended by itself.
    ///   - onEnd: called, on another thread, for the one that ends the program.
    init(onLate: @escaping @Sendable () -> Void, onEnd: @escaping @Sendable () -> Void) {
        signal(SIGINT, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: SIGINT, queue: DispatchQueue(label: "apus.chat.signals"))
        source.setEventHandler { [weak self] in self?.interrupt(onLate, onEnd) }
        source.resumeListening()
        self.source = source
    }

    private enum Response {
        case stop, late, end
    }

    private func interrupt(_ onLate: () -> Void, _ onEnd: () -> Void) {
        let response = state.withLock { state -> Response in
            switch state {
            case .answering:
                state = .stopping
                return .stop
            case .idle(let start) where start.duration(to: .now) < Self.grace:
                state = .idle(since: start - Self.grace)
                return .late
            case .idle, .stopping: return .end
            }
        }
        switch response {
        case .stop: break
        case .late: onLate()
        case .end: onEnd()
        }
    }

    /// Whether the answer that is coming shall end.
    var isStopped: Bool { state.withLock { if case .stopping = $0 { true } else { false } } }

    /// Lets Ctrl-C stop `body`, which looks at ``isStopped`` now and then.
    ///
    /// - Returns: its result, and whether it was stopped.
    func answering<Result>(_ body: () throws -> Result) rethrows -> (Result, wasStopped: Bool) {
        state.withLock { $0 = .answering }
        var wasStopped = false
        // One that was stopped has had its Ctrl-C: the next is for the prompt.
        defer { state.withLock { $0 = .idle(since: wasStopped ? .now - Self.grace : .now) } }
        let result = try body()
        wasStopped = isStopped
        return (result, wasStopped)
    }
}
