internal import Glibc
internal import Synchronization

extension ThreadPool {
    /// One thread's part of a run.
    ///
    /// The closure is borrowed: `run` keeps it alive until every thread has finished. No reference changes hands, so no
    /// reference count can be out of step with the gates.
    struct Job {
        let tasks: Range<Int>
        let body: UnsafePointer<(Int) -> Void>
    }

    /// One thread of a pool, and the mailbox through which it gets its jobs.
    ///
    /// A job is offered, and either the thread claims it or the pool withdraws it: when other programs keep the thread off
    /// its processor, nobody waits for a thread that has not even begun.
    ///
    /// `@unchecked Sendable`: `job` belongs to the pool until `started` opens; who claims its number has it from then on,
    /// the thread until `finished` opens. The gates and the claim order the accesses. The other variables are the pool's
    /// alone.
    final class Worker: @unchecked Sendable {
        private let started: Gate
        private let finished: Gate
        /// The last number that was claimed or withdrawn.
        private let claimed = Atomic<Int>(0)
        private var job: Job?
        private var jobsGiven = 0
        private var thread = pthread_t()

        init(patience: Gate.Patience) {
            started = Gate(patience: patience)
            finished = Gate(patience: patience)
            // The thread keeps the worker alive, and lets go of it when it ends.
            let context = Unmanaged.passRetained(self).toOpaque()
            let status = pthread_create(&thread, nil, { Worker.main($0) }, context)
            precondition(status == 0, "the system refused a thread (error \(status)); ask for fewer threads")
        }

        /// Hands over a job; the one before must have finished.
        func start(_ job: Job) {
            self.job = job
            announce()
        }

        /// Takes the job back unless the thread has begun with it.
        func withdraw() -> Bool { claim(jobsGiven) }

        func waitUntilFinished() {
            finished.wait(for: jobsGiven)
        }

        private func claim(_ number: Int) -> Bool {
            claimed.compareExchange(expected: number - 1, desired: number, ordering: .acquiringAndReleasing).exchanged
        }

        /// Ends the thread, once it has seen the last job, and waits for its end.
        func stop() {
            job = nil
            announce()
            pthread_join(thread, nil)
        }

        private func announce() {
            jobsGiven += 1
            started.open(jobsGiven)
        }

        /// The thread: jobs in order until it is woken without one.
        private static func main(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
            guard let context else { return nil }
            let worker = Unmanaged<Worker>.fromOpaque(context).takeRetainedValue()
            var number = 0
            while true {
                number = worker.started.wait(for: number + 1)
                guard worker.claim(number) else { continue }
                guard worker.carryOut() else { return nil }
                worker.finished.open(number)
            }
        }

        /// Never inlined, so that its own reference to the closure is given up before `finished` opens.
        @inline(never)
        private func carryOut() -> Bool {
            guard let job else { return false }
            let body = job.body.pointee
            for task in job.tasks { body(task) }
            return true
        }
    }
}
