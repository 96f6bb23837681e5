import ApusTestSupport
import Foundation
import Testing

@testable import ApusCLI

@Suite struct ExitStatusTests {
    @Test(arguments: [
        ["train"], ["train", "nowhere.yaml"], ["train", "--model", "nowhere"], ["train", "--lerning_rate", "1"],
        ["train", "--model", "m", "--max_steps", "many"], ["frobnicate"], ["generate"],
        ["generate", "--model", "nowhere", "--prompt", "x"],
        ["generate", "--model", "m", "--prompt", "x", "--top-p", "2"],
        ["generate", "--model", "m", "--prompt", "x", "--memory-utilization", "0"],
        ["score", "--model", "nowhere", "--prompt", "x", "--completion", "y"],
        ["bench", "grpo", "--model", "m", "--batch", "1"],
    ])
    func badInputIsOneLineAndStatus2(arguments: [String]) throws {
        let outcome = try Program.run(arguments)
        #expect(outcome.status == 2)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errorLines.count == 1, "\(outcome.errors)")
        #expect(outcome.errors.hasPrefix("apus: "))
    }

    @Test(arguments: [[], ["--help"], ["--version"], ["train", "--help"], ["bench", "--help"]])
    func askingIsNoError(arguments: [String]) throws {
        let outcome = try Program.run(arguments)
        #expect(outcome.status == 0)
        #expect(outcome.errors.isEmpty)
        #expect(!outcome.output.isEmpty)
    }

    @Test func aDryRunPrintsWhatItWouldDo() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "apus-test-\(UUID().uuidString)")
        let outcome = try Program.run(
            ["train", "--dry-run", "--model", "m", "--output_dir", folder.path, "--use_vllm"])
        #expect(outcome.status == 0)
        #expect(outcome.output.contains("model_name_or_path: \"m\"\n"))
        #expect(outcome.errors == "apus: use_vllm: generation runs in this process, on the weights that are trained\n")
        #expect(!FileManager.default.fileExists(atPath: folder.path))
    }

    @Test func failuresKeepTheirStatus() {
        #expect(CommandFailure(training: CommandFailure(.terminated, "x")).status == .terminated)
        #expect(CommandFailure(training: CancellationError()).status == .runFailed)
        #expect(throws: CommandFailure.self) { try failing(as: .badInput) { throw CancellationError() } }
        #expect(StopRequest.interrupt.status.rawValue == 128 + SIGINT)
        #expect(StopRequest.terminate.status.rawValue == 128 + SIGTERM)
    }
}
