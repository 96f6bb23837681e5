import Apus
import Foundation

/// What the machine is, as far as it matters to a run.
struct Machine {
    let processor: String
    let cores: Int
    /// Sizes of the data caches of one core, from the nearest one: `L1 32 KiB`.
    let caches: [String]
    /// What this process may hold, in bytes.
    let memoryLimit: Int
    /// Bytes that are free where a run would write.
    let freeDisk: Int?

    init() {
        processor = Self.processorName()
        cores = ProcessInfo.processInfo.activeProcessorCount
        caches = Self.cacheSizes()
        memoryLimit = MemoryPlan.processLimit
        let folder = FileManager.default.currentDirectoryPath
        let attributes = try? FileManager.default.attributesOfFileSystem(forPath: folder)
        let free = attributes?[.systemFreeSize]
        freeDisk = (free as? NSNumber)?.intValue ?? (free as? UInt64).map { Int(clamping: $0) }
    }

    private static func text(_ path: String) -> String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }

    private static func processorName() -> String {
        let line = text("/proc/cpuinfo").split(separator: "\n").first { $0.hasPrefix("model name") }
        let name = line?.split(separator: ":", maxSplits: 1).last.map { $0.trimmingPrefix { $0 == " " } }
        return name.map(String.init) ?? "unknown"
    }

    private static func cacheSizes() -> [String] {
        (0..<8).compactMap { index in
            let folder = "/sys/devices/system/cpu/cpu0/cache/index\(index)/"
            func field(_ name: String) -> String { text(folder + name).filter { !$0.isWhitespace } }
            guard !field("size").isEmpty, field("type") != "Instruction" else { return nil }
            let size = field("size").replacing("K", with: " KiB").replacing("M", with: " MiB")
            return "L\(field("level")) \(size)"
        }
    }
}

/// A program that others need to be found.
enum Executable {
    /// Its path, from a name to look for along PATH or a path.
    static func path(_ name: String) -> String? {
        let folders =
            name.contains("/")
            ? [""] : (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/" }
        return folders.map { $0 + name }.first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// The first line that it prints about its version; nil when it cannot be run.
    static func version(_ path: String) -> String? {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(filePath: path)
        process.arguments = ["--version"]
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        guard (try? process.run()) != nil, let data = try? output.fileHandleForReading.readToEnd() else { return nil }
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self).split(separator: "\n").first.map(String.init)
    }
}
