internal import CKernels
internal import Glibc
internal import Synchronization

/// A number that one thread raises and one other waits for: first spinning, then yielding, then parked.
///
/// The two directions of a `ThreadPool` hand-over are one gate each. What was written before `open` is visible after
/// `wait`.
///
/// `@unchecked Sendable`: the number and the flag are atomic; the mutex and the condition are made for sharing and live
/// at fixed addresses from `init` to `deinit`.
final class Gate: @unchecked Sendable {
    /// How long a waiter stays hot: rounds of a few spins and one offer of the processor to whoever else is ready.
    ///
    /// The other side may itself be waiting for this processor, so a round is short beside the system's slices of time: some
    /// microseconds. It is longer than most waits are, since whoever is in the system's hands when the number rises is late.
    struct Patience {
        var rounds: Int
        var spinsPerRound: Int
    }

    private let value = Atomic<Int>(0)
    private let isParked = Atomic<Bool>(false)
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let patience: Patience

    init(patience: Patience) {
        self.patience = patience
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Raises the number and wakes the waiter if it sleeps.
    ///
    /// Never inlined, as is `wait`: an atomic operation does not keep the optimizer from moving a retain across it, a
    /// call with unknown effects does.
    @inline(never)
    func open(_ number: Int) {
        // Store before load here, flag before number in `park`: in every interleaving one side sees the other.
        value.store(number, ordering: .sequentiallyConsistent)
        guard isParked.load(ordering: .sequentiallyConsistent) else { return }
        pthread_mutex_lock(mutex)
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    /// Returns the number once it is `number` or more.
    @inline(never)
    @discardableResult
    func wait(for number: Int) -> Int {
        for _ in 0..<patience.rounds {
            for _ in 0..<patience.spinsPerRound {
                let found = value.load(ordering: .acquiring)
                if found >= number { return found }
                apus_spin_hint()
            }
            let found = value.load(ordering: .acquiring)
            if found >= number { return found }
            sched_yield()
        }
        return park(until: number)
    }

    private func park(until number: Int) -> Int {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        isParked.store(true, ordering: .sequentiallyConsistent)
        defer { isParked.store(false, ordering: .relaxed) }
        while true {
            let found = value.load(ordering: .sequentiallyConsistent)
            if found >= number { return found }
            pthread_cond_wait(condition, mutex)
        }
    }
}
