import ApusCPU
import ApusTensor
import ApusTestSupport
import Foundation
import Testing

@testable import ApusModel

/// What the system's files say about memory.
@Suite struct MemoryBudgetTests {
    /// The limit that a process sees when these files are there.
    private func limit(_ files: [String: String]) throws -> Int { try reading(files) { ProcessMemory.limit(root: $0) } }

    private func reading(_ files: [String: String], _ body: (_ root: String) -> Int) throws -> Int {
        let folder = try TemporaryFolder()
        for (path, text) in files {
            let url = folder.url.appending(path: path)
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: url)
        }
        return withExtendedLifetime(folder) { body(folder.url.path + "/") }
    }

    private static let machine = Int(ProcessInfo.processInfo.physicalMemory)

    @Test func withoutControlGroupsTheMachineIsTheLimit() throws {
        #expect(try limit([:]) == Self.machine)
        #expect(
            try limit(["proc/self/cgroup": "nonsense\n0::/\n", "sys/fs/cgroup/memory.max": "max\n"]) == Self.machine)
    }

    @Test func theSmallestLimitOnTheWayUpCounts() throws {
        let files = [
            "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "3000000\n",
            "sys/fs/cgroup/a/memory.max": "2000000\n", "sys/fs/cgroup/memory.max": "max\n",
        ]
        #expect(try limit(files) == 2_000_000)
    }

    @Test func aHiddenPathLeavesTheContainersOwnLimit() throws {
        let files = ["proc/self/cgroup": "0::/elsewhere\n", "sys/fs/cgroup/memory.max": "5000000\n"]
        #expect(try limit(files) == 5_000_000)
    }

    @Test func theFirstVersionOfControlGroupsIsUnderstood() throws {
        let files = [
            "proc/self/cgroup": "5:cpu:/x\n4:cpuset,memory:/job\n0::/\n",
            "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "4000000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        ]
        #expect(try limit(files) == 4_000_000)
    }

    @Test func limitsOfReservationsCount() throws {
        func reservable(_ files: [String: String]) throws -> Int {
            try reading(files) { ProcessMemory.reservable(root: $0) }
        }
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        var files = [
            "proc/self/limits": "Max address space         unlimited            unlimited            bytes\n",
            "proc/self/statm": "100 50 20 1 0 30 0\n", "proc/sys/vm/overcommit_memory": "0\n",
            "proc/meminfo": "MemTotal: 9 kB\nCommitLimit:     5000 kB\nCommitted_AS:     2000 kB\n",
        ]
        #expect(try reservable(files) == Self.machine)
        files["proc/sys/vm/overcommit_memory"] = "2\n"
        #expect(try reservable(files) == 3000 * 1024)
        files["proc/self/limits"] = "Max address space         1000000              2000000              bytes\n"
        #expect(try reservable(files) == 1_000_000 - 100 * page)
    }

    @Test func whatTheProcessHoldsIsNotInTheBudget() throws {
        let backend = try CPUBackend(threads: 1)
        let held = ProcessMemory.held()
        #expect(held > 1_000_000)
        let budget = MemoryBudget(utilization: 0.5).bytes(on: backend)
        #expect(budget > 0 && budget < ProcessMemory.limit() / 2)
        #expect(MemoryBudget(bytes: -5).bytes(on: backend) == 0)
    }
}
