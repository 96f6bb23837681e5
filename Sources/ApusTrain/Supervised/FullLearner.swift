public import ApusData
public import ApusModel
import ApusTensor
public import Foundation

/// Supervised training of all weights of a small model: 20 bytes a parameter, and what a batch's rows take.
public final class FullLearner: Learner {
    /// What is trained.
    public let parameters: FullParameters
    private let pass: TrainingPass
    private let precision: FullParameters.StoredPrecision

    /// - Parameters:
    ///   - precision: how ``save(to:)`` stores the weights.
    ///   - memory: what keys, values and kept rows may take.
    public init(
        _ parameters: FullParameters, precision: FullParameters.StoredPrecision = .bfloat16,
        memory: MemoryBudget = MemoryBudget()
    ) {
        self.parameters = parameters
        self.precision = precision
        let model = parameters.model
        pass = TrainingPass(
            model: model, adapter: nil, parameters: parameters,
            pages: PageStore(model: model, contents: .layerInputs, budget: memory))
    }

    /// The longest sequence of the model.
    public var contextLength: Int { parameters.model.configuration.contextLength }
    /// The model's.
    public var vocabularySize: Int { parameters.model.configuration.vocabularySize }

    /// The hash of the model that the run began from (absent when its files are gone), and that all weights are trained.
    public var identity: [String: JSONValue] {
        var entries = RunIdentity.entries(of: parameters.model)
        entries["use_peft"] = .bool(false)
        entries["dtype"] = .string(precision.rawValue)
        return entries
    }

    /// Stored weights, the parameters themselves where those are rounded, two moments, and the tokenizer's files.
    public var checkpointBytes: Int? {
        let size = precision == .float32 ? 12 : 14
        return size * parameters.parameterCount + (1 << 20)
    }

    /// Parameters of the model.
    public var parameterCount: Int { parameters.parameterCount }

    /// Scores sequences.
    /// - Throws: what `TrainingPass.forward` throws.
    public func forward(_ sequences: [TokenGroup]) throws -> [TokenScores] { try pass.forward(sequences).map { $0[0] } }

    /// Whether tokens are the likeliest.
    /// - Throws: what `TrainingPass.areLikeliest` throws.
    public func areLikeliest(_ isAsked: [[Bool]]) throws -> [[Bool]] {
        try pass.areLikeliest(isAsked.map { [$0] }).map { $0[0] }
    }

    /// Adds to the gradients of all weights.
    /// - Throws: what `TrainingPass.backward` throws.
    public func backward(_ logProbGradients: [[Float]]) throws { try pass.backward(logProbGradients.map { [$0] }) }

    /// Clears the gradients.
    public func zeroGradients() { parameters.zeroGradients() }

    /// The L2 norm of all gradients.
    public func gradientNorm() -> Double { parameters.gradientNorm() }

    /// Multiplies the gradients.
    public func scaleGradients(by factor: Float) { parameters.scaleGradients(by: factor) }

    /// One AdamW step on all weights.
    public func optimizerStep(_ step: OptimizerStep) { parameters.adamWStep(AdamWStep(step)) }

    /// Writes the model, without a tokenizer.
    /// - Throws: `FormatError` or `ModelError` when a file cannot be read or written.
    public func save(to directory: URL) throws { try parameters.save(to: directory, precision: precision) }

    /// Writes `optimizer.safetensors`: AdamW's moments and, beside rounded weights, the parameters as they are.
    /// - Throws: `FormatError` when the file cannot be written.
    public func saveOptimizer(to directory: URL) throws {
        try OptimizerFile.write(parameters, withParameters: precision != .float32, to: directory)
    }

    /// Reads the parameters and their moments back, exactly.
    /// - Throws: `FormatError`, `ModelError` or ``TrainingError`` when the files are damaged or of another model.
    public func restore(from directory: URL) throws {
        try OptimizerFile.readParameters(into: parameters, from: directory, beside: "model.safetensors")
        try OptimizerFile.readMoments(into: parameters, from: directory)
    }
}
