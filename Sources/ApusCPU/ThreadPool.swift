internal import Glibc
internal import Synchronization

/// A fixed set of threads that carry out the parts of one kernel at a time.
///
/// Tasks go to threads by fixed contiguous ranges. The caller takes part as the first thread, and carries out the range
/// of a thread that has not begun when its own is done. Between runs the other threads spin briefly and then sleep.
///
/// `@unchecked Sendable`: the workers are touched only between the two changes of `isRunning`, which lets in one run at
/// a time; everything else is immutable.
public final class ThreadPool: @unchecked Sendable {
    /// The number of threads that work on a run, the caller included.
    public let threads: Int
    private let workers: [Worker]
    private let isRunning = Atomic<Bool>(false)

    /// Starts `threads` - 1 threads.
    public init(threads: Int) {
        precondition(threads > 0, "a pool needs at least the calling thread")
        self.threads = threads
        // With fewer processors than threads a spinning thread keeps a working one from running.
        let processors = sysconf(Int32(_SC_NPROCESSORS_ONLN))
        let patience = Gate.Patience(rounds: 10, spinsPerRound: threads > processors ? 0 : 400)
        workers = (1..<threads).map { _ in Worker(patience: patience) }
    }

    deinit {
        for worker in workers { worker.stop() }
    }

    /// Calls `body` once with each of 0 ..< `tasks` and returns when all calls have returned.
    ///
    /// The tasks of a thread are contiguous, and the first `tasks` % `threads` threads have one more than the others.
    /// A run inside a run, or two at once, is a precondition failure. The calls are concurrent: what one writes, no
    /// other may touch. `body` is not `@Sendable`, so that kernels can capture pointers; it must not be written in
    /// actor-isolated code (an actor's method, a main file's top level), whose closures trap on other threads.
    public func run(_ tasks: Int, _ body: (Int) -> Void) {
        let wasRunning = isRunning.exchange(true, ordering: .acquiring)
        precondition(!wasRunning, "a thread pool carries out one run at a time")
        defer { isRunning.store(false, ordering: .releasing) }
        let helpers = workers.prefix(max(min(tasks, threads) - 1, 0))
        withoutActuallyEscaping(body) { body in
            withUnsafePointer(to: body) { body in
                for (index, worker) in helpers.enumerated() {
                    worker.start(Job(tasks: share(of: index + 1, tasks: tasks), body: body))
                }
                for task in share(of: 0, tasks: tasks) { body.pointee(task) }
                for (index, worker) in helpers.enumerated() {
                    if worker.withdraw() {
                        for task in share(of: index + 1, tasks: tasks) { body.pointee(task) }
                    } else {
                        worker.waitUntilFinished()
                    }
                }
            }
        }
    }

    private func share(of thread: Int, tasks: Int) -> Range<Int> {
        let (each, extra) = tasks.quotientAndRemainder(dividingBy: threads)
        let begin = thread * each + min(thread, extra)
        return begin..<begin + each + (thread < extra ? 1 : 0)
    }
}
