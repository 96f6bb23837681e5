internal import Foundation

/// What the system says about this process's memory.
package enum ProcessMemory {
    /// Bytes of main memory in use by the process now, mapped files included; nil where the system does not say.
    package static var resident: Int? {
        let fields = text("/proc/self/statm").split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else { return nil }
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// Bytes that the process may use.
    ///
    /// - Parameter root: where `/proc` and `/sys` lie.
    package static func limit(root: String = "/") -> Int {
        let groups = text(root + "proc/self/cgroup").split(separator: "\n").flatMap { line -> [Int] in
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { return [] }
            if fields[1].isEmpty { return limits(root + "sys/fs/cgroup", fields[2], "memory.max") }
            guard fields[1].split(separator: ",").contains("memory") else { return [] }
            return limits(root + "sys/fs/cgroup/memory", fields[2], "memory.limit_in_bytes")
        }
        return min(groups.min() ?? .max, Int(ProcessInfo.processInfo.physicalMemory))
    }

    /// Bytes of addresses that the process may still reserve, where that is limited: by `ulimit -v`, or by a system that
    /// counts reservations as if they were used. At most as many as there is memory.
    package static func reservable(root: String = "/") -> Int {
        var room = Int(ProcessInfo.processInfo.physicalMemory)
        let addresses = number(after: "Max address space", in: text(root + "proc/self/limits"))
        if let addresses, let used = Int(text(root + "proc/self/statm").prefix { $0.isNumber }) {
            room = min(room, addresses - used * Int(sysconf(Int32(_SC_PAGESIZE))))
        }
        if text(root + "proc/sys/vm/overcommit_memory").hasPrefix("2") {
            let memory = text(root + "proc/meminfo")
            if let limit = number(after: "CommitLimit:", in: memory),
                let used = number(after: "Committed_AS:", in: memory)
            {
                room = min(room, (limit - used) * 1024)
            }
        }
        return max(room, 0)
    }

    /// Bytes that the process may still take, so that a share of all that it may use is in use.
    package static func spare(utilization: Double) -> Int {
        func share(_ bytes: Int) -> Int { (utilization * Double(bytes)).wholeNumber(in: 0...1 << 62) }
        return min(share(limit()) - held(), share(reservable()))
    }

    /// Bytes that the machine can give without taking them from anyone; all that it has where it does not say.
    package static func available(root: String = "/") -> Int {
        let kibibytes = number(after: "MemAvailable:", in: text(root + "proc/meminfo"))
        return kibibytes.map { $0 * 1024 } ?? Int(ProcessInfo.processInfo.physicalMemory)
    }

    /// The number that follows a name in a table of the system's; nil for none, such as "unlimited".
    private static func number(after name: String, in table: String) -> Int? {
        guard let line = table.split(separator: "\n").first(where: { $0.hasPrefix(name) }) else { return nil }
        return line.dropFirst(name.count).split(separator: " ").first.flatMap { Int($0) }
    }

    /// Bytes of memory that belong to the process alone. Mapped files can be read again and do not count.
    package static func held() -> Int {
        let fields = text("/proc/self/statm").split(separator: " ").prefix(3).compactMap { Int($0) }
        guard fields.count == 3 else { return 0 }
        return max(fields[1] - fields[2], 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// The limits of a control group and of all that it lies in. In a container its own path may be hidden: the root of the
    /// hierarchy is then its group.
    private static func limits(_ mount: String, _ path: Substring, _ file: String) -> [Int] {
        var parts = path.split(separator: "/")
        var found: [Int] = []
        while true {
            let folder = parts.map { "/" + $0 }.joined()
            if let limit = Int(text(mount + folder + "/" + file).prefix { $0.isNumber }) { found.append(limit) }
            guard parts.popLast() != nil else { return found }
        }
    }

    private static func text(_ path: String) -> String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }
}
