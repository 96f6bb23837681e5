import Apus
import ApusTestSupport
import Foundation
import Testing

@testable import ApusCLI

/// `reward_funcs` in files and on the command line.
@Suite struct RewardSettingTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        _ = try folder.write(Data("def f(**kwargs): pass".utf8), as: "rewards.py")
    }

    private func configuration(_ yaml: String, _ overrides: [String] = []) throws -> RunConfiguration {
        let file = try folder.write(Data("model: m\n\(yaml)\n".utf8), as: "run.yaml")
        return try RunConfiguration(arguments: [file] + overrides)
    }

    @Test func everyKindOfEntryIsRead() throws {
        let run = try configuration(
            """
            reward_funcs:
              - tutorial
              - rewards.py:f
              - {name: regex, pattern: "[0-9]+", score: 0.5, label: "yes"}
              - name: json_schema
                schema: {type: object, required: [a]}
              - http://localhost:8000/score
            reward_timeout: 2.5
            reward_workers: 3
            reward_memory_limit: none
            reward_failure: missing
            """)
        #expect(
            run.settings.rewardFunctions == [
                "tutorial", RewardDeclaration("\(folder.url.path)/rewards.py:f"),
                RewardDeclaration("regex", parameters: ["pattern": "[0-9]+", "score": 0.5, "label": "yes"]),
                RewardDeclaration(
                    "json_schema", parameters: ["schema": .object(["type": "object", "required": .array(["a"])])]),
                "http://localhost:8000/score",
            ])
        #expect(run.trainer.rewardFailure == .missing)
        #expect(run.settings.pythonOptions("reward").timeout == .milliseconds(2500))
        #expect(run.settings.pythonOptions("reward").workers == 3)
        #expect(run.settings.pythonOptions("reward").memoryLimit == nil)
        // What --dry-run prints is the same run, from any folder.
        let file = try folder.write(Data(try run.yaml.utf8), as: "resolved.yaml")
        let again = try RunConfiguration(arguments: [file])
        #expect(again.settings == run.settings && again.trainer == run.trainer)
    }

    @Test(arguments: [
        ["--reward_funcs", "tutorial,numeric_answer"], ["--reward_funcs", "tutorial", "numeric_answer"],
        ["--reward_funcs=[tutorial, numeric_answer]"], ["--reward-funcs", "tutorial", "{name: numeric_answer}"],
    ])
    func listsOnTheCommandLine(arguments: [String]) throws {
        #expect(
            try configuration("", arguments).settings.rewardFunctions.map(\.name) == ["tutorial", "numeric_answer"])
    }

    @Test func aFileOnTheCommandLineIsFoundBesideTheConfiguration() throws {
        let run = try configuration("", ["--reward_funcs", "rewards.py:f"])
        #expect(run.settings.rewardFunctions.map(\.name) == ["\(folder.url.path)/rewards.py:f"])
    }

    @Test(arguments: [
        ("reward_funcs: [corect]", "run.yaml:2: reward_funcs: knows no 'corect'; choose among corrected, "),
        (
            "reward_funcs: [numeric_answr]",
            "run.yaml:2: reward_funcs: knows no 'numeric_answr'; did you mean numeric_answer?"
        ),
        ("reward_funcs: [missing.py:f]", "run.yaml:2: reward_funcs: 'missing.py:f' names missing.py, which is not in "),
        ("reward_funcs: [{name: regex}]", "run.yaml:2: reward_funcs: 'regex' needs a pattern"),
        ("reward_funcs: [{name: regex, pattern: '('}]", "run.yaml:2: reward_funcs: 'regex' pattern cannot be used: "),
        ("reward_funcs: [{pattern: a}]", "run.yaml:2: reward_funcs: expected a list of rewards, "),
        ("reward_funcs: [[tutorial]]", "run.yaml:2: reward_funcs: expected a list of rewards, "),
        ("reward_funcs: [{name: tutorial, score: 2}]", "run.yaml:2: reward_funcs: 'tutorial' takes no parameters"),
        ("reward_funcs: []", "run.yaml:2: reward_funcs: names no reward; choose among corrected, "),
        ("reward_timeout: 0", "run.yaml:2: reward_timeout: must be above 0 seconds"),
        ("reward_workers: 0", "run.yaml:2: reward_workers: must be at least 1, found 0"),
        ("reward_memory_limit: -1", "run.yaml:2: reward_memory_limit: must be above 0 GiB, or none"),
        ("reward_memory_limit: lots", "run.yaml:2: reward_memory_limit: expected a number, or none, found 'lots'"),
        ("reward_failure: shrug", "run.yaml:2: reward_failure: expected one of stop, missing, zero, found 'shrug'"),
        ("reward_failure_limit: 2", "run.yaml:2: reward_failure_limit: 2.0 must be from 0 to 1"),
        ("reward_failure_batches: 0", "run.yaml:2: reward_failure_batches: 0 must be at least 1"),
    ])
    func whatCannotBeIsRefusedWithItsLine(yaml: String, message: String) throws {
        let error = try #require(throws: SettingError.self) { try configuration(yaml) }
        #expect(error.description.hasPrefix(message), "\(error)")
    }
}
