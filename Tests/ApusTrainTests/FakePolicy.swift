import ApusData
import ApusGeneration
import ApusModel
import ApusTensor
import ApusTestSupport
import Foundation
import Synchronization

@testable import ApusTrain

/// A policy with one number for a model: every log-probability is that number, every gradient lands on it. It records what the
/// trainer asks for.
class FakePolicy: Sampler, Learner, TrainedParameters {
    var contextLength: Int?
    var vocabularySize: Int?
    var samplesExactLogProbs = false
    var parameter: Float = -1
    var gradient: Double = 0
    var moment: Float = 0
    var normOverride: Double?
    var forwardRows: [Int] = []
    var forwardGroups: [Int] = []
    var generatedSteps: [Int] = []
    var scoredRows: [(rows: Int, adapterEnabled: Bool)] = []
    var optimizerSteps: [AdamWStep] = []
    /// What the sampler was given, each time.
    var published: [Float] = []
    let parameterCount = 1
    var parameters: any TrainedParameters { self }
    var scales: [Float] = []
    var saveError: (any Error)?
    var checkpointBytes: Int?
    var identity: [String: JSONValue] = [:]
    var entropyGradientSum = 0.0
    /// The completion of a prompt's n-th sample; by default lengths 1, 2, 3, … of token 7.
    var complete: (_ prompt: [Int32], _ sample: Int) -> Completion = { _, sample in
        FakePolicy.completion(Array(repeating: 7, count: sample % 4 + 1))
    }

    static func completion(_ tokens: [Int32], _ reason: FinishReason = .stop) -> Completion {
        Completion(tokens: tokens, logProbs: tokens.map { _ in -1 }, finishReason: reason)
    }

    nonisolated(nonsending) func publish(_ parameters: any TrainedParameters) async throws {
        published.append(parameter)
    }

    nonisolated(nonsending) func generate(
        _ prompts: [[Int32]], groupSize: Int, step: Int, sampling: SamplingParameters, continuesBatch: Bool,
        onToken: () -> Void
    ) async throws -> [[Completion]] {
        generatedSteps.append(step)
        return prompts.map { prompt in
            (0..<groupSize).map { index in
                let completion = complete(prompt, index)
                for _ in completion.tokens { onToken() }
                return completion
            }
        }
    }

    func score(
        _ groups: [TokenGroup], temperature: Float, under policy: ScoringPolicy
    ) throws -> [[TokenScores]] {
        scoredRows.append((groups.reduce(0) { $0 + $1.completions.count }, policy == .current))
        return scores(groups)
    }

    func forward(_ groups: [TokenGroup], temperature: Float) throws -> [[TokenScores]] {
        forwardGroups.append(groups.count)
        forwardRows.append(groups.reduce(0) { $0 + $1.completions.count })
        return scores(groups)
    }

    private func scores(_ groups: [TokenGroup]) -> [[TokenScores]] {
        groups.map { group in
            group.completions.map { tokens in
                TokenScores(logProbs: tokens.map { _ in parameter }, entropies: tokens.map { _ in 0.5 })
            }
        }
    }

    func backward(_ logProbGradients: [[[Float]]], entropyGradients: [[[Float]]]?) throws {
        gradient += logProbGradients.joined().joined().reduce(0) { $0 + Double($1) }
        entropyGradientSum += (entropyGradients ?? []).joined().joined().reduce(0) { $0 + Double($1) }
    }

    func areLikeliest(_ isAsked: [[[Bool]]]) throws -> [[[Bool]]] { isAsked }

    func zeroGradients() { gradient = 0 }
    func gradientNorm() -> Double { normOverride ?? abs(gradient) }
    func scaleGradients(by factor: Float) {
        scales.append(factor)
        gradient *= Double(factor)
    }
    func adamWStep(_ step: AdamWStep) {
        optimizerSteps.append(step)
        moment = 0.9 * moment + Float(gradient)
        parameter -= Float(step.learningRate) * moment
    }
    func save(to directory: URL) throws {
        try Data("\(parameter)".utf8).write(to: directory.appending(path: "adapter_model.safetensors"))
        if let saveError { throw saveError }
    }
    func saveOptimizer(to directory: URL) throws {
        try Data("\(moment)".utf8).write(to: directory.appending(path: "optimizer.safetensors"))
    }
    func restore(from directory: URL) throws {
        parameter = try number(directory.appending(path: "adapter_model.safetensors"))
        moment = try number(directory.appending(path: "optimizer.safetensors"))
    }
    private func number(_ url: URL) throws -> Float {
        guard let value = Float(try String(contentsOf: url, encoding: .utf8)) else {
            throw CocoaError(.fileReadCorruptFile)
        }
        return value
    }
}

extension GRPOTrainer {
    /// A trainer of a policy that is its own sampler and learner.
    convenience init(
        configuration: GRPOConfiguration, policy: FakePolicy, tokenizer: any PromptTokenizer, dataset: Dataset,
        evaluationDataset: Dataset? = nil, rewards: [any RewardFunction], stopSignal: StopSignal = StopSignal()
    ) throws {
        try self.init(
            configuration: configuration, policy: Policy(sampler: policy, learner: policy), tokenizer: tokenizer,
            dataset: dataset, evaluationDataset: evaluationDataset, rewards: rewards, stopSignal: stopSignal)
    }
}

/// A tokenizer whose text is token numbers, separated by blanks.
struct NumberTokenizer: PromptTokenizer {
    func tokens(of sample: Sample) throws -> [Int32] {
        guard case .text(let text) = sample.prompt else { return [] }
        return text.split(separator: " ").compactMap { Int32($0) }
    }
    func text(of completion: [Int32]) -> String { completion.map { "\($0)" }.joined(separator: " ") }
    func save(to directory: URL) throws {
        try Data("{}".utf8).write(to: directory.appending(path: "tokenizer.json"))
    }
}

/// A reward computed from the tokens of each completion.
struct TokenReward: RewardFunction {
    var name: String
    var score: @Sendable (_ tokens: [Int32]) throws -> Double?
    init(_ name: String, _ score: @escaping @Sendable ([Int32]) throws -> Double?) {
        self.name = name
        self.score = score
    }
    func scores(_ context: RewardContext) async throws -> [Double?] { try context.completionTokens.map(score) }
}

/// Collects what a trainer tells.
final class EventRecorder: Sendable {
    private let storage = Mutex<[TrainingEvent]>([])
    func append(_ event: TrainingEvent) { storage.withLock { $0.append(event) } }
    var events: [TrainingEvent] { storage.withLock { $0 } }
    var records: [MetricsRecord] { events.compactMap { if case .logged(let record) = $0 { record } else { nil } } }
    var warnings: [String] { events.compactMap { if case .warning(let text) = $0 { text } else { nil } } }
    var notices: [String] { events.compactMap { if case .notice(let text) = $0 { text } else { nil } } }
}

extension TemporaryFolder {
    /// What lies in the folder, sorted.
    var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []).sorted() }
}
