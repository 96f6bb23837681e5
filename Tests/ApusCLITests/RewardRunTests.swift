import Apus
import ApusTestSupport
import Foundation
import Testing

@testable import ApusCLI

/// Whole runs with rewards in Python.
@Suite(.serialized) struct RewardRunTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    /// Trains on a tiny model with the function `f` of a file.
    private func train(
        _ source: String, _ arguments: [String] = [], steps: Int = 3, onLine: (String, Process) -> Void = { _, _ in }
    ) throws -> Program.Outcome {
        _ = try folder.write(Data(source.utf8), as: "rewards.py")
        let yaml = try folder.write(Data("reward_funcs: [rewards.py:f, demo]\n".utf8), as: "run.yaml")
        return try Program.run(
            [
                "train", yaml, "--model", Fixture.url("base96-slips").path, "--load_in_4bit", "false", "--dataset_size",
                "20", "--per_device_train_batch_size", "6", "--num_generations", "6", "--max_completion_length", "8",
                "--max_steps", "\(steps)", "--logging_steps", "1", "--output_dir",
                folder.url.appending(path: "run").path,
            ] + arguments, onLine: onLine)
    }

    private func metrics() throws -> [[String: JSONValue]] {
        let text = try String(contentsOf: folder.url.appending(path: "run/metrics.jsonl"), encoding: .utf8)
        return try text.split(separator: "\n").map {
            try JSONDecoder().decode([String: JSONValue].self, from: Data($0.utf8))
        }
    }

    /// Functions that behave on the sample of the start and in the first step, and not in the second.
    private static func later(_ misbehaviour: String) -> String {
        """
        import os, time
        def f(completions, trainer_state, **kwargs):
            if trainer_state.global_step == 1:
                \(misbehaviour)
            return [float(len(c[0]['content'])) for c in completions]
        """
    }

    /// Whether a process is there and not just waiting to be collected.
    private static func isAlive(_ pid: Substring) -> Bool {
        guard let status = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return false }
        return status.split(separator: ")").last?.hasPrefix(" Z") == false
    }

    @Test func aRunWithARewardInPython() throws {
        let source = """
            def f(completions, answer, log_metric, **kwargs):
                print('scoring', len(completions))
                log_metric('longest', max(len(c[0]['content']) for c in completions))
                return [0.1 if a in c[0]['content'] else None for c, a in zip(completions, answer)]
            """
        let outcome = try train(source)
        try #require(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.errorLines.filter { $0 == "reward: scoring 6" }.count == 3)
        let lines = try metrics()
        #expect(lines.count == 3)
        #expect(lines.allSatisfy { ($0["longest"]?.number ?? 0) > 0 })
        #expect(lines.allSatisfy { $0["rewards/f/mean"] != nil && $0["rewards/f/failures"] == nil })
    }

    @Test func anEvaluationLogsEveryRewardAndWhatItTells() throws {
        let source = """
            def f(completions, log_metric, **kwargs):
                log_metric('longest', max(len(c[0]['content']) for c in completions))
                return [float(len(c[0]['content'])) for c in completions]
            """
        let outcome = try train(
            source, ["--eval_strategy", "steps", "--eval_steps", "2", "--eval_size", "4", "--report_to", "tensorboard"])
        try #require(outcome.status == 0, "\(outcome.errors)")
        let lines = try metrics().filter { $0["eval_reward"] != nil }
        #expect(lines.count == 1)
        for name in [
            "eval_rewards/f/mean", "eval_rewards/f/std", "eval_rewards/exact_or_untagged/mean", "eval_longest",
        ] {
            #expect(lines.first?[name]?.number != nil, "\(name) in \(lines)")
        }
        let shown = try #require(outcome.output.split(separator: "\n").first { $0.hasPrefix("eval after step 2  ") })
        #expect(shown.contains("  (f ") && shown.contains("  longest "), "\(shown)")
        let runs = folder.url.appending(path: "run/runs")
        let files = try FileManager.default.subpathsOfDirectory(atPath: runs.path).filter { $0.contains("tfevents") }
        let events = try Data(contentsOf: runs.appending(path: try #require(files.first)))
        for tag in ["eval/rewards/f/mean", "eval/longest", "train/longest"] {
            #expect(events.range(of: Data(tag.utf8)) != nil, "\(tag)")
        }
    }

    @Test("Bad input 41: a continuation tells of an edited reward file and refuses other parameters")
    func continuation() throws {
        let source = "def f(completions, **kwargs): return [float(len(c[0]['content'])) for c in completions]"
        let resume = ["--resume_from_checkpoint", "true"]
        #expect(try train(source, ["--save_steps", "1"], steps: 1).status == 0)
        let same = try train(source, resume, steps: 2)
        #expect(same.status == 0 && !same.errors.contains("reward_file"), "\(same.errors)")
        let edited = try train(source + "  # better", resume, steps: 3)
        #expect(edited.status == 0, "\(edited.errors)")
        #expect(edited.errors.contains("goes on with other settings than before: "), "\(edited.errors)")
        #expect(edited.errors.contains("reward_file.f (sha256 "), "\(edited.errors)")
        // The same name for another function of the file.
        let other = [
            "--reward_funcs",
            "[{name: 'rewards.py:g', label: f}, demo]".replacing("rewards.py", with: folder.url.path + "/rewards.py"),
        ]
        let refused = try train(source + "\n" + source.replacing("def f", with: "def g"), resume + other, steps: 4)
        #expect(refused.status == 2, "\(refused.errors)")
        #expect(refused.errors.contains("reward_funcs.f (f before, g now)"), "\(refused.errors)")
    }

    @Test(
        "Bad inputs 28 to 31: a reward that fails in the second step stops the run with status 3",
        arguments: [
            ("raise ValueError('no')", "failed on completion 0: raised ValueError: no (rewards.py, line 4)"),
            ("return [1.0] * 5", "failed: returned 5 scores for 6 completions"),
            ("return [1.0] * 5 + [float('inf')]", "failed on completion 5: returned inf"),
            ("return ['x'] * 6", "failed on completion 0: returned 'x' (str)"),
            ("os._exit(1)", "failed: ended its process: exit status 1 (called on completions 0 to 5)"),
            ("time.sleep(1e9)", "failed: did not return within 3 s"),
            ("return [float(len(bytearray(10 << 30)))] * 6", "needed more memory than reward_memory_limit allows"),
        ])
    func stops(misbehaviour: String, message: String) throws {
        let arguments = ["--reward_timeout", "3", "--reward_memory_limit", "1", "--save_steps", "1"]
        let outcome = try train(Self.later(misbehaviour), arguments)
        #expect(outcome.status == 3)
        let last = try #require(outcome.errorLines.last)
        #expect(last.hasPrefix("apus: step 2: reward 'f' ") && last.contains(message), "\(outcome.errors)")
        #expect(FileManager.default.fileExists(atPath: folder.url.appending(path: "run/checkpoint-1").path))
    }

    @Test(
        "Bad inputs 28 to 31: or counts as missing, and the run goes on",
        arguments: ["raise ValueError('no')", "return [1.0] * 5", "os._exit(1)", "time.sleep(1e9)"])
    func goesOn(misbehaviour: String) throws {
        let outcome = try train(Self.later(misbehaviour), ["--reward_timeout", "3", "--reward_failure", "missing"])
        try #require(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.errorLines.filter { $0.hasPrefix("apus: step 2: reward 'f' ") }.count == 1, "\(outcome.errors)")
        #expect(try metrics().map { $0["rewards/f/failures"]?.number } == [0, 6, 0])
    }

    @Test("Bad input 28: or as 0, and the run goes on")
    func countsAsZero() throws {
        let outcome = try train(Self.later("raise ValueError('no')"), ["--reward_failure", "zero"])
        try #require(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.errors.contains("6 of 6 completions get 0 from it, and rewards/f/failures counts on"))
        #expect(try metrics().map { $0["rewards/f/failures"]?.number } == [0, 6, 0])
        #expect(try metrics()[1]["rewards/f/mean"]?.number == 0)
    }

    @Test("Bad input 28: a reward that never works stops the run after some generations")
    func givesUp() throws {
        let source = "def f(completions, **kwargs): raise ValueError('never')"
        let arguments = ["--reward_failure", "missing", "--reward_failure_batches", "2"]
        let outcome = try train(source, arguments, steps: 20)
        #expect(outcome.status == 3)
        #expect(outcome.errorLines.contains { $0.hasPrefix("apus: tried on the first sample: reward 'f' failed") })
        #expect(outcome.errorLines.last?.hasSuffix("2 times in a row (reward_failure_batches)") == true)
        #expect(outcome.errorLines.last?.hasPrefix("apus: step 2: reward 'f' failed on completion 0: ") == true)
    }

    @Test(
        "Bad input 28: what cannot be loaded or called is refused before the model is read",
        arguments: [
            ("import nowhere", "reward_funcs: "), ("def g(): pass", "it has no 'f'; its functions are g"),
            ("def f(nothing): return [0.0] * len(nothing)", "tried on the first sample: reward 'f' failed"),
        ])
    func refused(source: String, message: String) throws {
        let outcome = try train(source)
        #expect(outcome.status == 2, "\(outcome.errors)")
        #expect(outcome.errorLines.last?.contains(message) == true, "\(outcome.errors)")
        #expect(!outcome.output.contains("model "))
        #expect(!FileManager.default.fileExists(atPath: folder.url.appending(path: "run").path))
    }

    @Test("Bad input 31: a run that is killed takes its rewards' processes with it")
    func leavesNobody() throws {
        let source = """
            import os, time
            place = os.path.join(os.path.dirname(__file__), 'pids')
            open(place, 'a').write(f'{os.getpid()} {os.getppid()} ')
            if os.fork() == 0:
                os.setsid()
                open(place, 'a').write(f'{os.getpid()} ')
                time.sleep(1e9)
            def f(completions, **kwargs): return [0.0] * len(completions)
            """
        let outcome = try train(
            source, ["--save_strategy", "no"], steps: 10000,
            onLine: { line, process in
                if line.hasPrefix("step     2/") { kill(process.processIdentifier, SIGKILL) }
            })
        #expect(outcome.status == SIGKILL)
        let pids = try String(contentsOf: folder.url.appending(path: "pids"), encoding: .utf8).split(separator: " ")
        #expect(pids.count == 3)
        let deadline = ContinuousClock.now + .seconds(10)
        func anyAlive() -> Bool { pids.contains(where: Self.isAlive) }
        while anyAlive(), ContinuousClock.now < deadline { Thread.sleep(forTimeInterval: 0.05) }
        #expect(!anyAlive())
    }
}
