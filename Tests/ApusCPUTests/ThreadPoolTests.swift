import ApusCPU
import ApusTensor
import Foundation
import Synchronization
import Testing

struct ThreadPoolTests {
    @Test(arguments: [1, 2, 5]) func everyTaskRunsOnce(threads: Int) {
        let pool = ThreadPool(threads: threads)
        for tasks in [0, 1, 2, 3, 4, 5, 7, 64, 1_001] {
            let counts = (0..<tasks).map { _ in Counter() }
            pool.run(tasks) { counts[$0].add(1) }
            #expect(counts.allSatisfy { $0.value == 1 }, "\(tasks) tasks")
        }
    }

    /// Thousands of short runs of changing size: a lost wake-up would hang, a stale job would miscount.
    @Test(arguments: [1, 2, 5]) func shortRunsFollowEachOther(threads: Int) {
        let pool = ThreadPool(threads: threads)
        let sum = Counter()
        var expected = 0
        for round in 0..<5_000 {
            let tasks = round % 9
            pool.run(tasks) { sum.add($0 + round) }
            expected += tasks * (tasks - 1) / 2 + tasks * round
            guard sum.value == expected else {
                Issue.record("round \(round): \(sum.value), not \(expected)")
                return
            }
        }
    }

    @Test func sleepingThreadsWakeUp() {
        let pool = ThreadPool(threads: 3)
        let count = Counter()
        for _ in 0..<20 {
            Thread.sleep(forTimeInterval: 0.003)
            pool.run(3) { _ in count.add(1) }
        }
        #expect(count.value == 60)
    }

    /// The caller has to sleep until a slower thread is done.
    @Test func callerWaitsForASlowThread() {
        let pool = ThreadPool(threads: 2)
        let count = Counter()
        for _ in 0..<5 {
            pool.run(2) { task in
                if task == 1 { Thread.sleep(forTimeInterval: 0.005) }
                count.add(1)
            }
        }
        #expect(count.value == 10)
    }

    @Test func tasksOfAThreadAreContiguousAndFixed() {
        let pool = ThreadPool(threads: 4)
        let owners = Mutex([Int: UInt](minimumCapacity: 10))
        let begun = Counter()
        pool.run(10) { task in
            owners.withLock { $0[task] = UInt(pthread_self()) }
            // The caller takes over what others have not begun, so each waits in its first task for the others.
            if [0, 3, 6, 8].contains(task) { begun.add(1) }
            while begun.value < 4 { sched_yield() }
        }
        let threadOfTask = owners.withLock { owners in (0..<10).map { owners[$0] } }
        let runs = [0..<3, 3..<6, 6..<8, 8..<10]
        for run in runs { #expect(Set(threadOfTask[run]).count == 1) }
        #expect(Set(threadOfTask).count == 4)
        #expect(threadOfTask[0] == UInt(pthread_self()))
    }

    /// Whoever carries a task out, it happens once.
    @Test func callerTakesOverWhatAThreadHasNotBegun() {
        let pool = ThreadPool(threads: 2)
        let count = Counter()
        for round in 0..<2_000 {
            // Runs of one task leave the thread asleep; it wakes too late for some of the runs of two.
            pool.run(round % 3 == 0 ? 2 : 1) { _ in count.add(1) }
            if round % 50 == 0 { Thread.sleep(forTimeInterval: 0.001) }
        }
        #expect(count.value == 2_000 + 667)
    }

    @Test func poolsComeAndGo() {
        let count = Counter()
        for threads in 1...20 {
            let pool = ThreadPool(threads: threads % 5 + 1)
            pool.run(7) { _ in count.add(1) }
        }
        #expect(count.value == 140)
    }

    @Test func nestedRunIsRefused() async {
        await #expect(processExitsWith: .failure) {
            let pool = ThreadPool(threads: 2)
            pool.run(2) { _ in pool.run(2) { _ in } }
        }
    }
}

/// A count that several threads raise.
private final class Counter: Sendable {
    private let count = Atomic<Int>(0)
    var value: Int { count.load(ordering: .relaxed) }
    func add(_ amount: Int) { count.add(amount, ordering: .relaxed) }
}
