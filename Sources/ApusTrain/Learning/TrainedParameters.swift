public import ApusModel
public import ApusTensor
public import Foundation

/// What is trained, an adapter or all weights of a model: its values and gradients, its optimizer, and its files.
public protocol TrainedParameters: AnyObject {
    /// How many numbers are trained.
    var parameterCount: Int { get }

    /// About how many bytes ``save(to:)`` and ``saveOptimizer(to:)`` write; `nil` when that is not known.
    var checkpointBytes: Int? { get }

    /// Clears the gradients.
    func zeroGradients()

    /// The L2 norm of all gradients together.
    /// - Throws: When the device that holds them has failed.
    func gradientNorm() throws -> Double

    /// Multiplies all gradients.
    func scaleGradients(by factor: Float)

    /// One AdamW step with the gradients as they are; its number counts from 1.
    func adamWStep(_ step: AdamWStep)

    /// Writes the trained parameters in the layout that other tools load: a PEFT adapter, or a model.
    /// - Throws: What keeps it from writing; `on_save_failure` says what becomes of the run.
    func save(to directory: URL) throws

    /// Writes the optimizer's state beside them, exactly, and the parameters where ``save(to:)`` rounds them.
    /// - Throws: What keeps it from writing, as with ``save(to:)``.
    func saveOptimizer(to directory: URL) throws

    /// Reads back what ``save(to:)`` and ``saveOptimizer(to:)`` wrote, exactly.
    /// - Throws: What is wrong with the files: the run does not begin.
    func restore(from directory: URL) throws
}

extension TrainedParameters {
    /// Not known.
    public var checkpointBytes: Int? { nil }
}

/// Room for the tokenizer's files and the small ones.
private let smallFilesBytes = 1 << 20

extension LoRAAdapter: TrainedParameters {
    /// The adapter and AdamW's two moments in fp32, and the tokenizer's files.
    public var checkpointBytes: Int? { 12 * parameterCount + smallFilesBytes }

    /// Writes `optimizer.safetensors`: AdamW's moments of every tensor, as `<name>.exp_avg` and `<name>.exp_avg_sq`.
    /// - Throws: `FormatError` when the file cannot be written.
    public func saveOptimizer(to directory: URL) throws { try OptimizerFile.write(self, to: directory) }

    /// Reads the adapter and its moments back.
    /// - Throws: `FormatError`, `ModelError` or ``TrainingError`` when the files are damaged or of another adapter.
    public func restore(from directory: URL) throws {
        try OptimizerFile.readParameters(into: self, from: directory, beside: "adapter_model.safetensors")
        try OptimizerFile.readMoments(into: self, from: directory)
    }
}

extension FullParameters: TrainedParameters {
    /// Stored weights, the parameters themselves where those are rounded, two moments, and the tokenizer's files.
    public var checkpointBytes: Int? { (isStoredExactly ? 12 : 14) * parameterCount + smallFilesBytes }

    /// Writes `optimizer.safetensors`: AdamW's moments and, beside rounded weights, the parameters as they are.
    /// - Throws: `FormatError` when the file cannot be written.
    public func saveOptimizer(to directory: URL) throws {
        try OptimizerFile.write(self, withParameters: !isStoredExactly, to: directory)
    }

    /// Reads the parameters and their moments back, exactly.
    /// - Throws: `FormatError`, `ModelError` or ``TrainingError`` when the files are damaged or of another model.
    public func restore(from directory: URL) throws {
        try OptimizerFile.readParameters(into: self, from: directory, beside: "model.safetensors")
        try OptimizerFile.readMoments(into: self, from: directory)
    }

    private var isStoredExactly: Bool { storedPrecision == .float32 }
}
