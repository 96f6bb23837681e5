import Foundation

/// The memory that this process holds now.
public enum ResidentMemory {
    /// Bytes of main memory in use by the process, mapped files included; on systems other than Linux, the most that it held.
    /// Nil where the system does not say.
    public static var bytes: Int? {
        #if os(Linux)
            guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return nil }
            let fields = text.split(separator: " ")
            guard fields.count > 1, let pages = Int(fields[1]) else { return nil }
            return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
        #else
            var usage = rusage()
            guard getrusage(RUSAGE_SELF, &usage) == 0 else { return nil }
            return Int(usage.ru_maxrss)
        #endif
    }
}
