/// A failure of the numeric layer, in one line: what was wanted, what was found, what to do.
public struct TensorError: Error, CustomStringConvertible, Sendable {
    /// The message for people.
    public let description: String

    /// An error with its whole message.
    public init(_ description: String) { self.description = description }
}
