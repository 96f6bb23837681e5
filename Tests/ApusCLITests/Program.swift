import Foundation
import Testing

/// The built `apus`, run as a process.
struct Program {
    /// What a finished run left.
    struct Outcome {
        var status: Int32
        var output: String
        var errors: String
        var errorLines: [Substring] { errors.split(separator: "\n") }
    }

    /// The executable that was built beside the tests.
    static let executable = URL(filePath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        .deletingLastPathComponent().appending(path: "apus")

    /// Runs to the end.
    ///
    /// - Parameters:
    ///   - executable: another program that is to start it.
    ///   - input: what standard input holds; nil for the tests' own.
    ///   - environment: what stands over the tests' own.
    ///   - onLine: called for each line of standard output, with the process, as it comes.
    static func run(
        _ arguments: [String], executable: URL = executable, input: String? = nil,
        environment: [String: String] = [:], onLine: (String, Process) -> Void = { _, _ in }
    ) throws -> Outcome {
        try #require(FileManager.default.isExecutableFile(atPath: executable.path), "\(executable.path) is not built")
        let process = Process()
        process.executableURL = executable
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let errorFile = FileManager.default.temporaryDirectory.appending(path: "apus-test-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: errorFile) }
        try Data().write(to: errorFile)
        let output = Pipe()
        process.standardOutput = output
        process.standardError = try FileHandle(forWritingTo: errorFile)
        if let input {
            let pipe = Pipe()
            process.standardInput = pipe
            try pipe.fileHandleForWriting.write(contentsOf: Data(input.utf8))
            try pipe.fileHandleForWriting.close()
        }
        try process.run()
        var text = ""
        var pending = ""
        while case let bytes = output.fileHandleForReading.availableData, !bytes.isEmpty {
            let piece = String(decoding: bytes, as: UTF8.self)
            text += piece
            pending += piece
            while let end = pending.firstIndex(of: "\n") {
                onLine(String(pending[..<end]), process)
                pending = String(pending[pending.index(after: end)...])
            }
        }
        process.waitUntilExit()
        let errors = try String(contentsOf: errorFile, encoding: .utf8)
        return Outcome(status: process.terminationStatus, output: text, errors: errors)
    }
}
