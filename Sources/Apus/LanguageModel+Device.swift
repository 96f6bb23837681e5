public import ApusModel
public import Foundation

/// Models where nothing is said of the device: on a card that can be used, else on the processor with its best kernels and one
/// thread a core.
extension LanguageModel {
    /// Loads a model: a Hugging Face folder or a `.gguf` file.
    ///
    /// - Parameters:
    ///   - path: the folder or the file.
    ///   - precision: how to hold the linear layers.
    ///   - contextLength: the longest sequence that it will be used for; see `init(path:precision:contextLength:backend:)`.
    ///   - cache: where quantised weights are kept for the next time; nil to do without.
    ///   - progress: told the share of layers that are loaded, from 0 to 1.
    /// - Throws: `FormatError`, `TextError` or `TensorError`, each one line that says what to do.
    public convenience init(
        path: String, precision: WeightPrecision = .bf16, contextLength: Int? = nil, cache: WeightCache? = .standard,
        progress: ((Double) -> Void)? = nil
    ) throws {
        try self.init(
            path: path, precision: precision, contextLength: contextLength, backend: Device().backend, cache: cache,
            progress: progress)
    }
}

extension FullParameters {
    /// Loads all weights of a model folder in Hugging Face's layout, to train them.
    ///
    /// - Throws: `FormatError`, `TextError`, `TensorError` or `ModelError`, each one line that says what to do.
    public convenience init(directory: URL) throws {
        try self.init(directory: directory, backend: Device().backend)
    }
}
