internal import Foundation

/// How much memory the pages of keys, values and kept rows may take.
public struct MemoryBudget: Sendable, Equatable {
    /// The share of the machine's memory that a run may hold unless it says otherwise.
    public static let defaultUtilization = 0.8

    /// Bytes for pages.
    public let bytes: Int

    /// A number of bytes.
    public init(bytes: Int) { self.bytes = max(bytes, 0) }

    /// A share of what this process may use, less what it holds already (weights, above all).
    ///
    /// The limit is that of the process's control group or of the machine, the smaller one.
    public init(utilization: Double = Self.defaultUtilization) {
        precondition(utilization > 0 && utilization <= 1, "a share")
        self.init(bytes: Int(utilization * Double(ProcessMemory.limit())) - ProcessMemory.held())
    }
}

/// What the system says about this process's memory.
enum ProcessMemory {
    /// Bytes that the process may use.
    ///
    /// - Parameter root: where `/proc` and `/sys` lie.
    static func limit(root: String = "/") -> Int {
        let groups = text(root + "proc/self/cgroup").split(separator: "\n").flatMap { line -> [Int] in
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { return [] }
            if fields[1].isEmpty { return limits(root + "sys/fs/cgroup", fields[2], "memory.max") }
            guard fields[1].split(separator: ",").contains("memory") else { return [] }
            return limits(root + "sys/fs/cgroup/memory", fields[2], "memory.limit_in_bytes")
        }
        return min(groups.min() ?? .max, Int(ProcessInfo.processInfo.physicalMemory))
    }

    /// Bytes of memory that belong to the process alone: mapped files can be read again and do not count.
    static func held() -> Int {
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

/// The memory budget holds fewer pages than one piece of work needs.
public struct MemoryShortage: Error, CustomStringConvertible, Equatable {
    /// What needs the pages, for people.
    public let purpose: String
    /// Bytes wanted.
    public let wanted: Int
    /// Bytes of the budget.
    public let found: Int
    /// What to change.
    public let advice: String

    /// One line: what was wanted, what was found, what to do.
    public var description: String {
        let mebibyte = 1_048_576
        return "memory: wanted \((wanted + mebibyte - 1) / mebibyte) MiB for \(purpose), found a budget of "
            + "\(found / mebibyte) MiB; \(advice)"
    }
}
