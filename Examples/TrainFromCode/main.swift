// Trains an adapter on arithmetic problems with two rewards of its own, and asks the tuned model a question.
//
//   swift run -c release TrainFromCode models/SmolLM2-135M-Instruct.Q4_1.gguf

import Apus

let model = try LanguageModel(path: CommandLine.arguments[1], precision: .nf4)
let adapter = try LoRAAdapter(LoRAConfiguration(rank: 16, alpha: 32), for: model, seed: 0)

let correct = Reward("correct") { completion, columns in
    completion.contains(columns["answer"]?.string ?? "?") ? 1 : 0
}
let brief = Reward("brief") { completion, _ in completion.count < 200 ? 1 : 0 }

var configuration = GRPOConfiguration()
configuration.learningRate = 1e-4
configuration.maxCompletionLength = 64
configuration.maxSteps = 20
configuration.loggingSteps = 1
configuration.rewardWeights = [1, 0.1]

let trainer = try GRPOTrainer(
    model: model, adapter: adapter, dataset: .arithmetic(count: 500, seed: 0), rewards: [correct, brief],
    configuration: configuration)
trainer.onEvent = { event in
    if case .logged(let metrics) = event { print(metrics.step, metrics["reward"] ?? .nan) }
}
print(try await trainer.run())

try adapter.save(to: "outputs/from-code")
print(try model.response(to: "What is 3 + 4?", adapter: adapter, sampling: SamplingParameters(maxNewTokens: 64)))
