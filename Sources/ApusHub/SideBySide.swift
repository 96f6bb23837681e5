import Foundation
import Synchronization

extension HubConnection {
    /// Does the same with many values, a few at a time.
    ///
    /// - Throws: The first ``HubError``; the others are stopped.
    func sideBySide<Value: Sendable>(
        _ values: [Value], _ body: @escaping @Sendable (Value) async throws(HubError) -> Void
    ) async throws(HubError) {
        let failure: HubError? = await withTaskGroup(of: HubError?.self) { group in
            var rest = values[...]
            var first: HubError?
            let add = { (group: inout TaskGroup<HubError?>) in
                guard let value = rest.popFirst() else { return }
                group.addTask {
                    do throws(HubError) { try await body(value) } catch { return error }
                    return nil
                }
            }
            for _ in 0..<max(1, settings.connections) { add(&group) }
            while let result = await group.next() {
                if let result, first == nil {
                    first = result
                    rest = []
                    group.cancelAll()
                }
                add(&group)
            }
            return first
        }
        if let failure { throw failure }
    }
}

/// Work that keeps a thread busy, away from the few that run tasks.
enum BlockingWork {
    /// What `body` returns; it is given a way to see whether the task was cancelled.
    static func result<Value: Sendable>(
        _ body: @escaping @Sendable (_ isCancelled: @Sendable () -> Bool) -> Value
    ) async -> Value {
        let flag = CancellationFlag()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                Thread.detachNewThread { continuation.resume(returning: body { flag.isSet }) }
            }
        } onCancel: {
            flag.set()
        }
    }
}

/// Set once, from any thread.
private final class CancellationFlag: Sendable {
    private let flag = Atomic(false)
    var isSet: Bool { flag.load(ordering: .relaxed) }
    func set() { flag.store(true, ordering: .relaxed) }
}
