internal import Glibc

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
    /// `@unchecked Sendable`: `job` belongs to the pool until `started` opens, and to the thread from then until
    /// `finished` opens; the gates order the accesses. The other variables are the pool's alone.
    final class Worker: @unchecked Sendable {
        private let started: Gate
        private let finished: Gate
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

        func waitUntilFinished() {
            finished.wait(for: jobsGiven)
        }

        /// Ends the thread and waits for its end.
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
            var number = 1
            while true {
                worker.started.wait(for: number)
                guard worker.carryOut() else { return nil }
                worker.finished.open(number)
                number += 1
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
