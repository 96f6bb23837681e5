import Foundation
import Testing

/// The scripts that kill runs and fill disks, in small: they compare what comes out with undisturbed runs.
@Suite(.serialized) struct DisturbanceTests {
    private static let scripts = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "FaultInjection")

    private static func has(_ program: String) -> Bool {
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").contains {
            FileManager.default.isExecutableFile(atPath: "\($0)/\(program)")
        }
    }

    private func run(_ script: String, _ arguments: [String]) throws -> Program.Outcome {
        let path = Self.scripts.appending(path: script).path
        return try Program.run(
            ["python3", path, "--apus", Program.executable.path] + arguments, executable: URL(filePath: "/usr/bin/env"))
    }

    @Test(
        "Bad input 35: a run that is killed again and again ends as the run that nobody disturbed",
        .enabled(if: has("python3")))
    func kills() throws {
        let outcome = try run("kill_loop.py", ["--kills", "5", "--steps", "6", "--seed", "1"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.output.contains("\n5 kills ("), "\(outcome.output)")
    }

    #if os(Linux)
        @Test(
            "Bad input 34: each call that writes may find the disk full", .enabled(if: has("python3") && has("cc")),
            arguments: [
                ["--every", "47"], ["--every", "61", "--first", "12", "--sticky"],
                ["--every", "53", "--first", "8", "--go-on"],
            ])
        func fullDisk(arguments: [String]) throws {
            let outcome = try run("full_disk.py", arguments)
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(outcome.output.contains("each gave the undisturbed result"))
        }

        @Test(
            "Bad input 36: files reach the disk before the folder's name does",
            .enabled(if: has("python3") && has("cc")))
        func orderOnDisk() throws {
            let outcome = try run("full_disk.py", ["--order"])
            #expect(outcome.status == 0, "\(outcome.errors)")
        }
    #endif
}
