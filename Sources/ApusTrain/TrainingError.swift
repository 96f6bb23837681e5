/// Why a run could not start or go on, in one line.
public struct TrainingError: Error, CustomStringConvertible, Sendable {
    /// What kind of failure it is.
    public enum Code: Sendable, Equatable {
        /// The data set cannot fill one generation batch.
        case tooFewPrompts
        /// The configuration asks for something that this trainer does not do.
        case unsupported
        /// A prompt could not be turned into tokens.
        case prompt
        /// A reward function failed, or what it returned cannot be used.
        case reward
        /// The model failed.
        case policy
        /// A file could not be written.
        case output
        /// Losses or gradients were not finite for too many steps in a row.
        case notFinite
    }

    /// What kind of failure it is.
    public let code: Code
    /// What was wanted, what was found, what to do: one line.
    public let message: String
    /// The message.
    public var description: String { message }
    /// Whether nothing was run and nothing was written.
    public var isBadInput: Bool {
        switch code {
        case .tooFewPrompts, .unsupported, .prompt: true
        case .reward, .policy, .output, .notFinite: false
        }
    }

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}
