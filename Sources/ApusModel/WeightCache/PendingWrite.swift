internal import ApusTensor
internal import Dispatch
internal import Foundation
internal import Synchronization

extension WeightCache {
    /// Waits until all packed weights that this process is writing are on disk. Without it they are written too, as long as
    /// the process lives; one that ends earlier leaves nothing.
    public static func finishWriting() {
        for write in PendingWrite.all.withLock({ $0 }) { write.finish() }
    }

    /// Writes packed weights while the process does other things.
    func writeLater(_ weights: [(name: String, parts: [any SharedBytes])], key: PackedModelKey, replaces: Bool) {
        let write = PendingWrite()
        PendingWrite.all.withLock { $0.append(write) }
        let thread = Thread {
            write.begin()
            self.write(weights, key: key, replaces: replaces)
            write.end()
        }
        thread.name = "apus weight cache"
        thread.start()
    }
}

/// One file of packed weights on its way to the disk.
private final class PendingWrite: Sendable {
    static let all = Mutex<[PendingWrite]>([])
    /// The first answer is on its way and should not wait: who loads a model wants to use it.
    private static let delay = DispatchTimeInterval.seconds(1)

    private let hurry = DispatchSemaphore(value: 0)
    private let ended = DispatchSemaphore(value: 0)

    /// On the writing thread: lets the others go first, then waits a while.
    func begin() {
        #if canImport(Darwin)
            pthread_set_qos_class_self_np(QOS_CLASS_UTILITY, 0)
        #else
            // To Linux a thread is a process of its own here.
            _ = setpriority(Int32(PRIO_PROCESS.rawValue), 0, 10)
        #endif
        _ = hurry.wait(timeout: .now() + Self.delay)
    }

    /// On the writing thread: done, one way or the other.
    func end() {
        Self.all.withLock { $0.removeAll { $0 === self } }
        ended.signal()
    }

    /// On any other thread.
    func finish() {
        hurry.signal()
        ended.wait()
        // For whoever waits too.
        ended.signal()
    }
}
