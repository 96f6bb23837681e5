import ApusData
import ApusFormats
import ApusTestSupport
import Foundation
import Synchronization
import Testing

@testable import ApusTrackers
@testable import ApusTrain

@Suite("Experiment trackers", .serialized)
struct ExperimentTrackersTests {
    /// A package `wandb` that writes what it is told to a file, and the interpreter that finds it.
    private struct FakePackage {
        let folder: TemporaryFolder
        let interpreter: String
        let output = Output()

        /// Lines that were printed.
        final class Output: Sendable {
            let lines = Mutex<[String]>([])
        }

        /// - Parameter onLog: Python that runs in each log call, with `numbers`.
        init(onLog: String = "pass") throws {
            folder = try TemporaryFolder()
            let source = """
                import json, os, sys, time
                FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "told")
                def tell(*what):
                    with open(FILE, "a") as file: file.write(json.dumps(what) + "\\n")
                class Table:
                    def __init__(self, columns, data, **_): self.content = [columns, data]
                class Run:
                    id, url, offline, config, summary = "run-7", None, True, {}, {}
                    def __init__(self): self.config = self
                    def update(self, values, **_): tell("config", values["seed"])
                    def define_metric(self, *_, **__): pass
                    def log(self, numbers):
                        \(onLog)
                        tell("log", {k: getattr(v, "content", v) for k, v in numbers.items()})
                    def finish(self, exit_code): tell("finish", exit_code)
                def init(**arguments):
                    print("hello from the package")
                    tell("init", sorted(arguments), arguments.get("id"), arguments.get("name"))
                    return Run()
                """
            _ = try folder.write(Data(source.utf8), as: "wandb.py")
            let script = "#!/bin/sh\nPYTHONPATH='\(folder.url.path)' exec python3 \"$@\"\n"
            interpreter = try folder.write(Data(script.utf8), as: "python")
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: interpreter)
        }

        func start(resumed: Bool = false) async throws(TrackerFailure) -> ExperimentTrackers {
            let run = ExperimentTrackers.Run(
                names: ["wandb"], name: "mine", outputDir: folder.url.path, configuration: ["seed": 42],
                isResumed: resumed)
            let output = output
            return try await ExperimentTrackers(
                run, interpreter: interpreter, onOutput: { line in output.lines.withLock { $0.append(line) } })
        }

        /// What the package was told, in order.
        func told() throws -> [JSONValue] {
            try String(contentsOf: folder.url.appending(path: "told"), encoding: .utf8).split(separator: "\n").map {
                try JSONValue(json: $0.utf8)
            }
        }
    }

    private func record(_ step: Int, _ reward: Double?) -> MetricsRecord {
        var record = MetricsRecord(step: step)
        record.append("reward", reward)
        record.append("eval_accuracy/strict", 0.5)
        return record
    }

    @Test("Log lines, tables and the end arrive in order, and the run's number is kept for a continuation")
    func told() async throws {
        let package = try FakePackage()
        let trackers = try await package.start()
        trackers.log(record(1, 2.5))
        trackers.log(record(2, nil))
        let report = RolloutReport(
            step: 2, prompts: [.text("p")], completions: ["c"], rewardNames: ["f"], rewards: [[1]], advantages: [0.25],
            isTruncated: [false])
        trackers.log(CompletionRows(report, step: 2))
        #expect(await trackers.finish(.stopped))
        let columns: JSONValue = ["step", "prompt", "completion", "f", "advantage", "is_truncated"]
        #expect(
            try package.told() == [
                ["init", ["dir", "name", "project"], .null, "mine"], ["config", 42],
                ["log", ["train/reward": 2.5, "eval/accuracy/strict": 0.5, "train/global_step": 1]],
                ["log", ["eval/accuracy/strict": 0.5, "train/global_step": 2]],
                ["log", ["completions": [columns, [[2, "p", "c", 1.0, 0.25, false]]], "train/global_step": 2]],
                ["finish", 255],
            ])
        let again = try await package.start(resumed: true)
        #expect(await again.finish(.finished))
        #expect(try package.told()[6] == ["init", ["dir", "id", "name", "project", "resume"], "run-7", "mine"])
        #expect(package.output.lines.withLock { $0.contains("hello from the package") })
    }

    @Test("A package that is not installed is said with the command that installs it")
    func missing() async throws {
        let run = ExperimentTrackers.Run(names: ["comet_ml"], outputDir: "/tmp")
        let error = await #expect(throws: TrackerFailure.self) {
            try await ExperimentTrackers(run, interpreter: "python3", onOutput: { _ in })
        }
        #expect(error?.description.hasPrefix("report_to: comet_ml: the package comet_ml is not installed") == true)
        #expect(error?.description.contains("pip install comet_ml") == true)
        let none = await #expect(throws: TrackerFailure.self) {
            try await ExperimentTrackers(run, interpreter: "/nowhere/python", onOutput: { _ in })
        }
        #expect(none?.description.hasPrefix("report_to: ") == true)
    }

    @Test(
        "A tracker that raises, hangs or is killed in mid-run leaves the run alone",
        arguments: [
            ("raise ValueError('no route')", "apus: wandb: ValueError: no route; nothing more is logged there", true),
            ("time.sleep(3600)", "", false),
            ("os.kill(os.getpid(), 9)", "apus: the trackers' process has ended; the run goes on without it", false),
        ])
    func unharmed(onLog: String, said: String, isClosed: Bool) async throws {
        let package = try FakePackage(onLog: onLog)
        let trackers = try await package.start()
        for step in 1...200 { trackers.log(record(step, 1)) }
        if onLog.contains("kill") {
            // Its end is seen by the next line.
            try await Task.sleep(for: .milliseconds(500))
            trackers.log(record(201, 1))
        }
        #expect(await trackers.finish(.finished, within: .seconds(isClosed ? 30 : 2)) == isClosed)
        let lines = package.output.lines.withLock { $0 }
        #expect(said.isEmpty || lines.contains(said), "\(lines)")
        #expect(try package.told().count { $0.array?.first == "log" } == 0)
    }
}
