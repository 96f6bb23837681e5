import Dispatch
import Foundation
import Synchronization

/// Ctrl-C in a conversation: stops the answer that is coming; where none is, says how to leave, and leaves the second time.
final class ChatInterrupts: Sendable {
    private struct State {
        var isAnswering = false
        var isStopped = false
        var idleCount = 0
    }

    private let state = Mutex(State())
    // Written once in init and only kept alive after that: a source stops when it is released.
    nonisolated(unsafe) private var source: (any DispatchSourceSignal)?

    /// - Parameter onIdle: called, on another thread, for the first Ctrl-C while no answer is coming.
    init(onIdle: @escaping @Sendable () -> Void) {
        signal(SIGINT, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: SIGINT, queue: DispatchQueue(label: "apus.chat.signals"))
        source.setEventHandler { [weak self] in self?.interrupt(onIdle) }
        source.resume()
        self.source = source
    }

    private func interrupt(_ onIdle: () -> Void) {
        let idleCount = state.withLock { state in
            if state.isAnswering { state.isStopped = true } else { state.idleCount += 1 }
            return state.idleCount
        }
        if idleCount > 1 { exit(ExitStatus.interrupted.rawValue) }
        if idleCount == 1 { onIdle() }
    }

    /// Whether the answer shall end.
    var isStopped: Bool { state.withLock { $0.isStopped } }

    /// Lets Ctrl-C stop `body`.
    func answering<Result>(_ body: () throws -> Result) rethrows -> Result {
        state.withLock { $0 = State(isAnswering: true) }
        defer { state.withLock { $0.isAnswering = false } }
        return try body()
    }
}
