public import ApusData
public import ApusModel
import ApusTensor
public import Foundation

/// Supervised training of a LoRA adapter beside frozen weights.
public final class AdapterLearner: Learner {
    /// What is trained.
    public let adapter: LoRAAdapter
    private let model: LanguageModel
    private let pass: TrainingPass

    /// Binds a model and its adapter.
    /// - Parameter memory: what keys, values and kept rows may take.
    public init(model: LanguageModel, adapter: LoRAAdapter, memory: MemoryBudget = MemoryBudget()) {
        self.model = model
        self.adapter = adapter
        pass = TrainingPass(
            model: model, adapter: adapter, pages: PageStore(model: model, contents: .layerInputs, budget: memory))
    }

    /// The longest sequence of the model.
    public var contextLength: Int { model.configuration.contextLength }
    /// The model's.
    public var vocabularySize: Int { model.configuration.vocabularySize }

    /// The model's hash (absent when its files are gone) and precision, and the adapter's shape.
    public var identity: [String: JSONValue] { RunIdentity.entries(of: adapter, beside: model) }

    /// The adapter and AdamW's two moments in fp32, and the tokenizer's files.
    public var checkpointBytes: Int? { 12 * adapter.parameterCount + (1 << 20) }

    /// Parameters of the adapter.
    public var parameterCount: Int { adapter.parameterCount }

    /// Scores sequences.
    /// - Throws: what `TrainingPass.forward` throws.
    public func forward(_ sequences: [TokenGroup]) throws -> [TokenScores] { try pass.forward(sequences).map { $0[0] } }

    /// Whether tokens are the likeliest.
    /// - Throws: what `TrainingPass.areLikeliest` throws.
    public func areLikeliest(_ isAsked: [[Bool]]) throws -> [[Bool]] {
        try pass.areLikeliest(isAsked.map { [$0] }).map { $0[0] }
    }

    /// Adds to the adapter's gradients.
    /// - Throws: what `TrainingPass.backward` throws.
    public func backward(_ logProbGradients: [[Float]]) throws { try pass.backward(logProbGradients.map { [$0] }) }

    /// Clears the adapter's gradients.
    public func zeroGradients() { adapter.zeroGradients() }

    /// The L2 norm of the adapter's gradients.
    public func gradientNorm() -> Double { adapter.gradientNorm() }

    /// Multiplies the adapter's gradients.
    public func scaleGradients(by factor: Float) { adapter.scaleGradients(by: factor) }

    /// One AdamW step on the adapter.
    public func optimizerStep(_ parameters: OptimizerStep) { adapter.adamWStep(AdamWStep(parameters)) }

    /// Writes the adapter as PEFT does.
    /// - Throws: `FormatError` when a file cannot be written.
    public func save(to directory: URL) throws { try adapter.save(to: directory) }

    /// Writes `optimizer.safetensors`, as ``ModelPolicy/saveOptimizer(to:)`` does.
    /// - Throws: `FormatError` when the file cannot be written.
    public func saveOptimizer(to directory: URL) throws { try OptimizerFile.write(adapter, to: directory) }

    /// Reads the adapter and its moments back.
    /// - Throws: `FormatError`, `ModelError` or ``TrainingError`` when the files are damaged or of another adapter.
    public func restore(from directory: URL) throws { try adapter.restore(from: directory, beside: model) }
}

extension AdamWStep {
    /// The trainer's numbers in the optimizer's order.
    init(_ step: OptimizerStep) {
        self.init(
            step: step.step, learningRate: step.learningRate, beta1: step.beta1, beta2: step.beta2,
            epsilon: step.epsilon, weightDecay: step.weightDecay)
    }
}
