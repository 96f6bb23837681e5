// Trains an adapter on arithmetic problems with two rewards of its own, and asks the tuned model a question.
//
//   swift run -c release TrainFromCode Recipes/demo/model
//
// Any model will do. The demo's learns to show its working: the reward doubles within 20 steps.

import Apus

let model = try LanguageModel(path: CommandLine.arguments[1])
let adapter = try LoRAAdapter(LoRAConfiguration(rank: 16, alpha: 32), for: model, seed: 0)

let correct = Reward("correct") { completion, columns in
    completion.contains("\(columns["answer"]?.string ?? "?")\n</answer>") ? 1 : 0
}
let brief = Reward("brief") { completion, _ in completion.count < 200 ? 1 : 0 }

var configuration = GRPOConfiguration()
configuration.optimizer.learningRate = 5e-4
configuration.perDeviceTrainBatchSize = 128  // 16 problems with 8 answers each
configuration.maxCompletionLength = 64
configuration.optimizer.maxSteps = 20
configuration.output.loggingSteps = 1
configuration.rewardWeights = [1, 0.1]
configuration.output.outputDir = "outputs/from-code"

let trainer = try GRPOTrainer(
    model: model, adapter: adapter, dataset: .arithmetic(count: 500, seed: 0), rewards: [correct, brief],
    configuration: configuration)
trainer.onEvent = { event in
    if case .logged(let metrics) = event { print(metrics.step, metrics["reward"] ?? .nan) }
}
print(try await trainer.run())

try adapter.save(to: "outputs/from-code/adapter")
let question = "Amy has 21 apples, buys 49 more and gives 16 to Tom. How many apples are left?"
let greedy = SamplingParameters(temperature: 0, maxNewTokens: 64)
print(try model.response(to: question, adapter: adapter, sampling: greedy))
