import Apus
import Foundation
import Testing

@testable import ApusCLI

@Suite struct RecipeTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Recipes")

    private func recipe(_ name: String, _ overrides: [String] = []) throws -> RunConfiguration {
        try RunConfiguration(arguments: [Self.folder.appending(path: name).path] + overrides)
    }

    @Test func everyRecipeResolves() throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
            .filter { $0.hasSuffix(".yaml") }
        #expect(names.count >= 3)
        for name in names {
            if name.hasPrefix("sft") {
                _ = try SFTRunConfiguration(arguments: [Self.folder.appending(path: name).path, "--model", "m"])
            } else {
                _ = try recipe(name, ["--model", "m"])
            }
        }
    }

    @Test func theTutorialIsTheTutorials() throws {
        let run = try recipe("tutorial.yaml", ["--model", "m", "--dataset_path", "train.jsonl"])
        #expect(run.settings.precision == .nf4)
        #expect(run.settings.loraRank == 32)
        #expect(run.settings.loraAlpha == 32)
        let modules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
        #expect(
            run.settings.loraConfiguration
                == LoRAConfiguration(rank: 32, alpha: 32, targetModules: modules, baseModel: "m"))
        #expect(run.settings.answerExtraction == "after_hashes")
        #expect(run.settings.rewardFunctions.map(\.name) == BuiltInRewards.sets["tutorial"])
        #expect(
            run.settings.systemPrompt
                == "Respond in the following format:\n<reasoning>\n...\n</reasoning>\n<answer>\n...\n</answer>\n")
        #expect(run.trainer.optimizer.learningRate == 5e-6)
        #expect(run.trainer.maxPromptLength == 256)
        #expect(run.trainer.maxCompletionLength == 200)
        #expect(run.trainer.optimizer.maxSteps == 250)
        #expect(run.trainer.seed == 3407)
        #expect(run.trainer.output.outputDir == "outputs")
        let plan = try BatchPlan(run.trainer)
        #expect(plan.promptsPerGeneration == 4)
        #expect(plan.generationBatchSize == 24)
    }

    @Test func theDemoIsTheMeasuredOne() throws {
        let run = try recipe("arithmetic-demo.yaml")
        let plan = try BatchPlan(run.trainer)
        #expect(plan.promptsPerGeneration == 16)
        #expect(plan.groupSize == 8)
        #expect(run.trainer.lossType == .drGRPO)
        #expect(run.trainer.scaleRewards == .none)
        #expect(run.trainer.optimizer.adamBeta2 == 0.99)
        #expect(run.notices.isEmpty)
    }
}
