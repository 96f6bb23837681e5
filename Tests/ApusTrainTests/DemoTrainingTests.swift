import ApusData
import ApusGeneration
import ApusModel
import ApusTensor
import ApusTestSupport
import Foundation
import Synchronization
import Testing

@testable import ApusTrain

/// The whole system learns: the run of `Recipes/arithmetic-demo.yaml` on the small arithmetic model.
///
/// One seed and 20 steps in bf16; with `APUS_DEMO_FULL=1` three seeds in bf16 and NF4, 50 steps each, and a table.
@Suite(.serialized) struct DemoTrainingTests {
    struct Case: Sendable, CustomStringConvertible {
        var seed: Int
        var precision: WeightPrecision
        var steps: Int
        var description: String { "seed \(seed), \(precision.rawValue), \(steps) steps" }
    }

    static let isFull = ProcessInfo.processInfo.environment["APUS_DEMO_FULL"] == "1"

    static let cases: [Case] =
        isFull
        ? [WeightPrecision.bf16, .nf4].flatMap { precision in
            (0...2).map { Case(seed: $0, precision: precision, steps: 50) }
        } : [Case(seed: 0, precision: .bf16, steps: 20)]

    @Test(arguments: cases)
    func learnsToShowItsWorking(_ item: Case) async throws {
        let demo = try DemoRun(seed: item.seed, precision: item.precision, steps: item.steps)
        let before = try demo.accuracy()
        let (after, seconds) = try await demo.train(evaluatingAt: [20, 50])
        if Self.isFull { Self.printRow(item, [before] + after.sorted { $0.key < $1.key }.map(\.value), seconds) }
        #expect(0.12...0.30 ~= before)
        #expect(try #require(after[20]) >= 0.75)
        if item.steps >= 50 { #expect(try #require(after[50]) >= 0.85) }
    }

    private static func printRow(_ item: Case, _ accuracies: [Double], _ seconds: Double) {
        func row(_ cells: [String]) {
            print(cells.map { String(repeating: " ", count: max(0, 10 - $0.count)) + $0 }.joined())
        }
        func decimal(_ value: Double) -> String { String((10 * value).rounded() / 10) }
        if item.seed == cases[0].seed { row(["precision", "seed", "before %", "at 20 %", "at 50 %", "seconds"]) }
        row([item.precision.rawValue, String(item.seed)] + accuracies.map { decimal(100 * $0) } + [decimal(seconds)])
    }
}

/// The recipe's run, with an evaluation on problems whose operands training never shows.
private final class DemoRun {
    private static let evaluation = Dataset.arithmetic(count: 256, seed: 777, heldOut: true)
    private static let samplesPerProblem = 4

    private let model: LanguageModel
    private let adapter: LoRAAdapter
    private let configuration: GRPOConfiguration
    private let output: TemporaryFolder

    init(seed: Int, precision: WeightPrecision, steps: Int) throws {
        output = try TemporaryFolder()
        model = try LanguageModel(path: Fixture.url("base96-slips").path, precision: precision)
        let shape = LoRAConfiguration(rank: 16, alpha: 32, targetModules: ["all-linear"])
        adapter = try LoRAAdapter(shape, for: model, seed: UInt64(seed))
        var configuration = GRPOConfiguration()
        configuration.perDeviceTrainBatchSize = 128
        configuration.numGenerations = 8
        configuration.maxCompletionLength = 48
        configuration.maxSteps = steps
        configuration.lossType = .drGRPO
        configuration.scaleRewards = .none
        configuration.learningRate = 5e-4
        configuration.lrSchedulerType = .constant
        configuration.adamBeta1 = 0.9
        configuration.adamBeta2 = 0.99
        configuration.maxGradNorm = 1
        configuration.loggingSteps = 1
        configuration.saveSteps = 50
        configuration.seed = seed
        configuration.outputDir = output.url.path
        self.configuration = configuration
    }

    /// The share of sampled completions, at temperature 1, whose `<answer>` is exactly the reference.
    func accuracy() throws -> Double { try Self.accuracy(model, adapter) }

    private static func accuracy(_ model: LanguageModel, _ adapter: LoRAAdapter) throws -> Double {
        let requests = try evaluation.samples.enumerated().map { index, sample in
            GenerationRequest(
                prompt: try model.tokenizer.tokens(of: sample.prompt), completions: samplesPerProblem,
                firstSample: index * samplesPerProblem)
        }
        let completions = try GenerationEngine(model: model, adapter: adapter)
            .generate(requests, sampling: SamplingParameters(maxNewTokens: 48, seed: 1000))
        var right = 0
        for (sample, completions) in zip(evaluation.samples, completions) {
            let answer = sample.columns["answer"]?.string
            right += completions.count { taggedAnswer(model.tokenizer.text(of: $0.tokens)) == answer }
        }
        return Double(right) / Double(evaluation.samples.count * samplesPerProblem)
    }

    /// What stands between the last `<answer>` and the next `</answer>`, as the demo's rewards read it.
    private static func taggedAnswer(_ text: String) -> String? {
        let parts = text.components(separatedBy: "<answer>")
        guard parts.count > 1, let last = parts.last else { return nil }
        return last.components(separatedBy: "</answer>")[0].trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Trains to the end.
    ///
    /// - Returns: the accuracy after some of the steps, and the seconds of training without the evaluations.
    func train(evaluatingAt steps: Set<Int>) async throws -> (accuracy: [Int: Double], seconds: Double) {
        let trainer = try GRPOTrainer(
            configuration: configuration, policy: ModelPolicy(model: model, adapter: adapter),
            tokenizer: model.tokenizer,
            dataset: .arithmetic(count: 4000, seed: UInt64(configuration.seed)),
            rewards: try BuiltInRewards.functions(named: ["demo"]))
        let results = Mutex<(accuracy: [Int: Double], seconds: Double)>(([:], 0))
        let (model, adapter) = (model, adapter)
        // Events come on the training thread, between steps: nobody else uses the adapter meanwhile.
        trainer.onEvent = { event in
            guard case .stepFinished(let step, of: _) = event, steps.contains(step) else { return }
            let start = ContinuousClock.now
            let share = try? Self.accuracy(model, adapter)
            let spent = (ContinuousClock.now - start) / .seconds(1)
            results.withLock {
                $0.accuracy[step] = share
                $0.seconds -= spent
            }
        }
        let outcome = try await trainer.run()
        return results.withLock { ($0.accuracy, outcome.seconds + $0.seconds) }
    }
}
