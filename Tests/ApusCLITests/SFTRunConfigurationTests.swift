import Apus
import Foundation
import Testing

@testable import ApusCLI

@Suite struct SFTRunConfigurationTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private func resolve(_ arguments: String...) throws -> SFTRunConfiguration {
        try SFTRunConfiguration(arguments: ["--model", "m"] + arguments)
    }

    private func complaint(_ arguments: String...) -> String {
        let error = #expect(throws: (any Error).self) {
            _ = try SFTRunConfiguration(arguments: ["--model", "m"] + arguments)
        }
        return error.map { "\($0)" } ?? ""
    }

    @Test func trlsNamesAreUnderstood() throws {
        let run = try resolve(
            "--learning_rate", "2e-4", "--per_device_train_batch_size", "4", "--packing", "--max_length", "256",
            "--completion_only_loss", "false", "--lora_r", "8", "--dataset_name", "a.jsonl")
        #expect(run.trainer.optimizer.learningRate == 2e-4)
        #expect(run.trainer.perDeviceTrainBatchSize == 4)
        #expect(run.trainer.packing)
        #expect(run.trainer.maxLength == 256)
        #expect(run.trainer.completionOnlyLoss == false)
        #expect(run.run.loraRank == 8)
        #expect(run.run.dataset == "a.jsonl")
        #expect(run.run.usesPEFT)
    }

    @Test func defaultsAreTRLs() throws {
        let trainer = try resolve().trainer
        #expect(trainer == SFTConfiguration())
        #expect(trainer.maxLength == 1024)
        #expect(trainer.optimizer.learningRate == 2e-5)
        #expect(trainer.perDeviceTrainBatchSize == 8)
        #expect(trainer.optimizer.numTrainEpochs == 3)
        #expect(trainer.output.loggingSteps == 10)
    }

    @Test func nothingLiftsTheLengthLimit() throws {
        #expect(try resolve("--max_length", "null").trainer.maxLength == nil)
        #expect(try resolve("--max_length", "null", "--max_length", "null").trainer.maxLength == nil)
    }

    @Test func aContinuationIsNamedAsInTrain() throws {
        #expect(try resolve("--resume_from_checkpoint", "true").trainer.output.resumeFromCheckpoint == "true")
        #expect(try resolve("--resume_from_checkpoint", "false").trainer.output.resumeFromCheckpoint == nil)
        #expect(try resolve("--resume_from_checkpoint", "out/checkpoint-3", "--force").trainer.output.forceResume)
        #expect(try SFTConfiguration(settings: ["resume_from_checkpoint": true]).output.resumeFromCheckpoint == "true")
    }

    @Test func whatIsPrintedResolvesToTheSame() throws {
        var run = try resolve("--from_scratch", "--max_length", "77", "--slip_rate", "0.25", "--save_total_limit", "2")
        run.notices = []
        let file = FileManager.default.temporaryDirectory.appending(path: "apus-test-\(UUID().uuidString).yaml")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data(try run.yaml.utf8).write(to: file)
        #expect(try SFTRunConfiguration(arguments: [file.path]) == run)
    }

    @Test func rowsAreTheKeysOfTheTypes() {
        let rows = SFTSettingTable.index.rows
        let trainer = rows.filter { if case .trainer = $0.treatment { true } else { false } }
        #expect(Set(trainer.map(\.name)) == Set(SFTConfiguration.settingNames))
        let run = Set(rows.filter { if case .run = $0.treatment { true } else { false } }.map(\.name))
        #expect(run.isSuperset(of: SFTSettings.settingNames))
        #expect(!run.contains("reward_funcs"))
        #expect(Set(rows.map(\.name)).count == rows.count)
    }

    @Test func everyKeyIsDocumented() throws {
        let page = try String(contentsOf: Self.root.appending(path: "docs/sft.md"), encoding: .utf8)
        let keys = SFTConfiguration.settingNames + SFTSettings.settingNames
        for key in keys { #expect(page.contains("`\(key)`"), "\(key)") }
    }

    /// What a file for TRL says when it says what happens anyway.
    @Test func valuesThatAskForNothingPassInSilence() throws {
        let run = try resolve(
            "--report_to", "none", "--eval_strategy", "no", "--gradient_checkpointing", "true", "--loss_type", "nll",
            "--packing_strategy", "bfd", "--optim", "adamw_torch")
        #expect(run.notices.isEmpty)
    }

    @Test("Bad input 26, 27: keys of GRPO, unknown keys and values out of range say what is wrong")
    func badSettings() {
        #expect(complaint("--num_generations", "4").contains("belongs to GRPO"))
        #expect(complaint("--reward_funcs", "demo").contains("belongs to GRPO"))
        #expect(complaint("--completion_only", "true").contains("did you mean completion_only_loss"))
        #expect(complaint("--loss_type", "dft").contains("refused"))
        #expect(complaint("--max_length", "1").contains("at least 2"))
        #expect(complaint("--learning_rate", "nan").contains("learning_rate"))
        #expect(complaint("--slip_rate", "1.5").contains("from 0 to 1"))
        #expect(complaint("--from_scratch", "--use_peft", "true").contains("use_peft: false"))
        #expect(complaint("--use_peft", "false", "--load_in_4bit", "true").contains("load_in_4bit"))
        #expect(complaint("--use_peft", "false", "--adapter", "a").contains("use_peft: true"))
    }

    @Test func theDemosRecipesResolve() throws {
        let folder = Self.root.appending(path: "Recipes/demo")
        for name in ["sft-1.yaml", "sft-2.yaml"] {
            let run = try SFTRunConfiguration(arguments: [folder.appending(path: name).path])
            #expect(!run.run.usesPEFT)
            #expect(run.notices.isEmpty)
        }
    }
}
