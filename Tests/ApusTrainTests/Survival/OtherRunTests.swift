import ApusData
import ApusModel
import ApusTensor
import ApusTestSupport
import ApusText
import Foundation
import Testing

@testable import ApusTrain

/// A checkpoint of another run is refused with everything that differs, in one message.
struct OtherRunTests {
    private let folder: TemporaryFolder

    init() async throws {
        folder = try TemporaryFolder()
        let first = ShortRun(folder, steps: 2)
        first.policy.identity = ["model": "sha256 aa", "lora_r": 16.0, "lora_target_modules": .array(["q_proj"])]
        try await first.run()
    }

    private func continuation(_ change: (inout GRPOConfiguration) -> Void = { _ in }) -> ShortRun {
        let run = ShortRun(folder, steps: 4) {
            $0.output.resumeFromCheckpoint = "true"
            change(&$0)
        }
        run.policy.identity = ["model": "sha256 aa", "lora_r": 16.0, "lora_target_modules": .array(["q_proj"])]
        return run
    }

    private func refusal(_ run: ShortRun) async -> String {
        let error = await #expect(throws: TrainingError.self) { try await run.run() }
        #expect(error?.isBadInput == true && error?.code == .resume)
        return error?.description ?? ""
    }

    @Test("Bad input 41: another model, rank, data, seed and batch are listed key by key in one message")
    func everyDifferenceIsListed() async throws {
        var run = continuation {
            $0.seed = 7
            $0.epsilon = 0.3
            $0.gradientAccumulationSteps = 2
        }
        run.prompts = 5
        run.policy.identity = [
            "model": "sha256 bb", "lora_r": 8.0, "lora_target_modules": .array(["q_proj", "v_proj"]),
        ]
        let text = await refusal(run)
        #expect(text.contains("checkpoint-2 is of another run: dataset (4 rows, sha256 "), "\(text)")
        for part in [
            "epsilon (0.2 before, 0.3 now)", "gradient_accumulation_steps (1 before, 2 now)",
            "lora_r (16 before, 8 now)", #"lora_target_modules (["q_proj"] before, ["q_proj","v_proj"] now)"#,
            "model (sha256 aa before, sha256 bb now)", "seed (42 before, 7 now)", "force_resume: true",
        ] { #expect(text.contains(part), "\(part) in \(text)") }
        #expect(!text.contains("\n") && !text.contains("max_steps"))
    }

    @Test("Bad input 41: data of the same size with other rows is refused")
    func otherRows() async throws {
        let rows = GRPOTrainerTests.prompts(4)
        var other = rows
        other.samples[3].columns["answer"] = "1"
        #expect(RunIdentity.digest(of: rows) != RunIdentity.digest(of: other))
        other.samples[3].columns["answer"] = nil
        #expect(RunIdentity.digest(of: rows) == RunIdentity.digest(of: other))
        other.samples[3].prompt = .messages([Message(role: "user", content: "13")])
        #expect(RunIdentity.digest(of: rows) != RunIdentity.digest(of: other))
        // The border between two texts counts.
        let pairs = [("ab", "c"), ("a", "bc")].map { role, content in
            RunIdentity.digest(
                of: Dataset(samples: [Sample(prompt: .messages([Message(role: role, content: content)]))]))
        }
        #expect(pairs[0] != pairs[1])
    }

    @Test("Bad input 41: another version of the program is refused")
    func otherVersion() throws {
        let differences = RunDifferences(
            before: ["code_version": "0.0.9"], now: ["code_version": "0.1.0"], effects: [:])
        #expect(differences.refused.map(\.description) == ["code_version (0.0.9 before, 0.1.0 now)"])
    }

    @Test("Bad input 41: force_resume goes on with a warning")
    func forced() async throws {
        var run = continuation {
            $0.output.forceResume = true
            $0.seed = 7
            $0.gradientAccumulationSteps = 2
        }
        run.prompts = 6
        try await run.run()
        let warning = try #require(run.recorder.warnings.first)
        #expect(warning.hasPrefix("force_resume: ") && warning.contains("seed (42 before, 7 now)"))
        #expect(run.policy.optimizerSteps.map(\.step) == [3, 4])
        #expect(run.checkpointNames.contains("checkpoint-4"))
    }

    @Test func whatIsTheUsersToChangeIsNoticed() async throws {
        let run = continuation {
            $0.optimizer.learningRate = 0.01
            $0.output.loggingSteps = 2
            $0.output.saveTotalLimit = 9
            $0.gradientCheckpointing = .offload
        }
        try await run.run()
        let notice = try #require(run.recorder.notices.first { $0.hasPrefix("goes on with other settings") })
        for key in [
            "learning_rate (0.05 before, 0.01 now)", "logging_steps", "max_steps (2 before, 4 now)", "save_total_limit",
            "gradient_checkpointing (true before, unsloth now)",
        ] {
            #expect(notice.contains(key), "\(notice)")
        }
        #expect(run.recorder.warnings.isEmpty)
    }

    @Test func aPathThatIsNoFolderIsRefused() async throws {
        let text = await refusal(continuation { $0.output.resumeFromCheckpoint = folder.url.path + "/nowhere" })
        #expect(text.hasSuffix("no such folder; check the path"))
    }
}

/// Reward functions are compared by what they are made of, not by their names alone.
struct OtherRewardTests {
    private struct Declared: RewardFunction {
        let name = "graded"
        var identity: RewardIdentity
        func scores(_ context: RewardContext) -> [Double?] { context.completionTokens.map { Double($0.count % 2) } }
    }

    private let folder: TemporaryFolder
    private let file: URL
    private var identity: RewardIdentity

    init() async throws {
        folder = try TemporaryFolder()
        file = folder.url.appending(path: "rewards.py")
        try Data("def f(): pass".utf8).write(to: file)
        identity = RewardIdentity(
            definition: .object(["name": "regex", "pattern": "a/b", "score": 0.5]), file: file,
            server: URL(string: "http://127.0.0.1:8000/score"))
        try await run(identity, steps: 2).run()
    }

    private func run(
        _ identity: RewardIdentity, steps: Int, _ change: (inout GRPOConfiguration) -> Void = { _ in }
    ) -> ShortRun {
        var run = ShortRun(folder, steps: steps, change)
        run.rewards = [Declared(identity: identity)]
        return run
    }

    private func resumed(_ identity: RewardIdentity, isForced: Bool = false) -> ShortRun {
        run(identity, steps: 3) {
            $0.output.resumeFromCheckpoint = "true"
            $0.output.forceResume = isForced
        }
    }

    private func notices(_ run: ShortRun) -> [String] { run.recorder.notices.filter { $0.contains("reward") } }

    @Test("Bad input 41: a reward function with other parameters is refused with both, and --force goes on")
    func otherParameters() async throws {
        var other = identity
        other.definition = .object(["name": "regex", "pattern": "a/c"])
        let error = await #expect(throws: TrainingError.self) { try await resumed(other).run() }
        #expect(error?.isBadInput == true)
        #expect(
            error?.description.contains(
                #"is of another run: reward_funcs.graded ({"name":"regex","pattern":"a/b","score":0.5} before, "#
                    + #"{"name":"regex","pattern":"a/c"} now); give"#) == true, "\(error?.description ?? "")")
        other.definition = nil
        await #expect(throws: TrainingError.self) { try await resumed(other).run() }
        let forced = resumed(other, isForced: true)
        try await forced.run()
        #expect(forced.recorder.warnings.first?.hasPrefix("force_resume: ") == true)
    }

    @Test("Bad input 41: an edited reward file is told of, and the run goes on")
    func editedFile() async throws {
        try Data("def f(): return 1".utf8).write(to: file)
        let run = resumed(identity)
        try await run.run()
        #expect(notices(run).count == 1 && run.recorder.warnings.isEmpty)
        #expect(notices(run).first?.contains("reward_file.graded (sha256 ") == true, "\(notices(run))")
    }

    @Test("Bad input 41: a server with another address is told of, and the run goes on")
    func movedServer() async throws {
        var other = identity
        other.server = URL(string: "http://127.0.0.1:9000/score")
        let run = resumed(other)
        try await run.run()
        #expect(
            notices(run).first?.contains(
                "reward_server.graded (http://127.0.0.1:8000/score before, http://127.0.0.1:9000/score now)") == true)
    }

    @Test func anotherPlaceOfTheSameFileIsNoDifference() async throws {
        var other = identity
        other.file = folder.url.appending(path: "moved.py")
        try Data("def f(): pass".utf8).write(to: folder.url.appending(path: "moved.py"))
        let run = resumed(other)
        try await run.run()
        #expect(notices(run).isEmpty)
    }
}
