internal import Dispatch
internal import Foundation
internal import Synchronization

/// A value that is computed on a thread of its own.
final class Background<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, any Error>?>(nil)
    private let finished = DispatchSemaphore(value: 0)

    /// Starts at once.
    init(_ compute: @escaping @Sendable () throws -> Value) {
        let thread = Thread { [self] in
            let computed = Result(catching: compute)
            result.withLock { $0 = computed }
            finished.signal()
        }
        // As much as a main thread has: on macOS others get a sixteenth of it.
        thread.stackSize = 8 << 20
        thread.start()
    }

    /// Waits for the value; called once.
    ///
    /// - Throws: What computing it threw.
    func value() throws -> Value {
        finished.wait()
        guard let result = result.withLock({ $0 }) else { preconditionFailure("signalled when it is there") }
        return try result.get()
    }
}
