import Foundation
import Testing

/// Signals to the built program.
@Suite(.serialized) struct SignalTests {
    private let run: TinyRun

    init() throws {
        run = try TinyRun()
    }

    private func endless(_ changes: [String: String] = [:]) -> [String] {
        run.arguments(steps: 10000, changes.merging(["save_steps": "5000"]) { $1 })
    }

    @Test(
        "Bad input 37: a signal lets the step finish, saves and stops; the run goes on from there",
        arguments: [(SIGHUP, Int32(129)), (SIGINT, Int32(130)), (SIGTERM, Int32(143))])
    func aSignalSavesAndStops(signal: Int32, status: Int32) throws {
        let outcome = try Program.run(endless()) { line, process in
            if line.hasPrefix("step     2/") { kill(process.processIdentifier, signal) }
        }
        #expect(outcome.status == status, "\(outcome.errors)")
        #expect(outcome.errorLines.last?.hasPrefix("apus: stopped by ") == true)
        let saved = try #require(run.checkpoints.first)
        #expect(run.checkpoints.count == 1)
        var isStopped = false
        let again = try Program.run(endless(["resume_from_checkpoint": "true"])) { line, process in
            if line.hasPrefix("step "), !isStopped { kill(process.processIdentifier, SIGTERM) }
            isStopped = isStopped || line.hasPrefix("step ")
        }
        #expect(again.status == 143)
        #expect(again.errors.contains("goes on after step \(saved.dropFirst("checkpoint-".count)) of "))
    }

    /// Steps of ten seconds and more, so that there is time for a second signal on the fastest machine.
    private let slow = [
        "per_device_train_batch_size": "4096", "num_generations": "4096", "max_completion_length": "120",
    ]

    @Test("Bad input 37: a second signal ends the program at once", arguments: [SIGINT, SIGTERM])
    func aSecondSignalIsImmediate(second: Int32) throws {
        let outcome = try Program.run(endless(slow)) { line, process in
            guard line.hasPrefix("each of") else { return }
            Thread.sleep(forTimeInterval: 0.3)
            kill(process.processIdentifier, SIGINT)
            Thread.sleep(forTimeInterval: 0.5)
            kill(process.processIdentifier, second)
        }
        // The number of the signal that ended it, for nothing in the program did.
        #expect(outcome.status == second, "\(outcome.errors)")
        #expect(outcome.errors.contains("SIGINT: finishing the step"))
        #expect(run.checkpoints.isEmpty)
    }

    @Test("Bad input 37: a program that nohup started does not mind a closed terminal")
    func nohup() throws {
        let outcome = try Program.run(
            ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh", Program.executable.path] + endless(),
            executable: URL(filePath: "/usr/bin/env")
        ) { line, process in
            if line.hasPrefix("step     2/") { kill(process.processIdentifier, SIGHUP) }
            if line.hasPrefix("step     5/") { kill(process.processIdentifier, SIGTERM) }
        }
        #expect(outcome.status == 143, "\(outcome.errors)")
    }
}
