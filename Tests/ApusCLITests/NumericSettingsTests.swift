import Apus
import ApusTestSupport
import Foundation
import Testing

@testable import ApusCLI

/// Every setting that is a number, at the numbers where arithmetic breaks: a run is refused with one line, or it is run.
@Suite struct NumericSettingsTests {
    static let extremes = [
        "0", "-1", "1e-46", "2147483648", "9007199254740992", "9223372036854775807", "1e19", "1e300", "nan", "inf",
    ]

    private static func numericKeys(_ facts: [SettingFacts]) -> [String] {
        facts.filter { $0.kind.bounds != nil }.map(\.key).sorted()
    }

    static let trainKeys = numericKeys(Array(SettingTable.facts.values))
    static let sftKeys = numericKeys(
        SFTConfiguration.declarations.map(\.facts) + SFTSettings.declarations.map(\.facts))

    private let folder: TemporaryFolder
    private let model = Fixture.url("base96-slips").path

    init() throws { folder = try TemporaryFolder() }

    /// A run of one step in which everything is small.
    private var trainArguments: [String] {
        [
            "--model", model, "--load_in_4bit", "false", "--reward_funcs", "demo", "--reward_weights", "1,1,1,1,1",
            "--dataset_size", "16", "--per_device_train_batch_size", "8", "--num_generations", "4",
            "--max_completion_length", "8", "--max_steps", "1", "--logging_steps", "1", "--eval_strategy", "steps",
            "--eval_size", "4", "--num_generations_eval", "1", "--output_dir", folder.url.path,
        ]
    }

    private var sftArguments: [String] {
        [
            "--model", model, "--load_in_4bit", "false", "--dataset_size", "16", "--per_device_train_batch_size", "8",
            "--max_steps", "1", "--output_dir", folder.url.path,
        ]
    }

    /// Whether options are taken, and whether the same lines of a file are.
    private func isTaken(_ key: String, _ value: String) throws -> (asOption: Bool, inFile: Bool) {
        let file = try folder.write(Data("model: m\n\(key): \(value)\n".utf8), as: "\(key).yaml")
        func holds(_ arguments: [String]) -> Bool { (try? RunConfiguration(arguments: arguments)) != nil }
        return (holds(["--model", "m", "--\(key)", value]), holds([file]))
    }

    @Test(arguments: trainKeys)
    func aRunIsRefusedOrRun(key: String) throws {
        for value in Self.extremes {
            let taken = try isTaken(key, value)
            #expect(taken.asOption == taken.inFile, "\(key): \(value)")
            // Of a list of weights one alone would not fit the functions.
            let text = key == "reward_weights" ? Array(repeating: value, count: 5).joined(separator: ",") : value
            try expectOrderlyEnd(["train"] + trainArguments + ["--\(key)", text])
        }
    }

    @Test(arguments: sftKeys)
    func aSupervisedRunIsRefusedOrRun(key: String) throws {
        for value in Self.extremes { try expectOrderlyEnd(["sft"] + sftArguments + ["--\(key)", value]) }
    }

    private func expectOrderlyEnd(_ arguments: [String]) throws {
        let outcome = try Program.run(arguments)
        let what = arguments.suffix(2).joined(separator: " ")
        #expect(
            [0, 2].contains(outcome.status), "\(arguments[0]) \(what): \(outcome.status), \(outcome.errors.suffix(400))"
        )
        if outcome.status == 2 {
            #expect(outcome.errorLines.last?.hasPrefix("apus: ") == true, "\(what): \(outcome.errors.suffix(400))")
        }
    }

    @Test func theExtremesMeetSomeBoundOfEveryKey() throws {
        for key in Self.trainKeys {
            let refused = try Self.extremes.filter { try !isTaken(key, $0).asOption }
            #expect(refused.contains("1e300") && refused.contains("nan") && refused.contains("inf"), "\(key)")
        }
    }
}
