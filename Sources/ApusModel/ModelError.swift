/// A failure of a model or an adapter, in one line: what was wanted, what was found, what to do.
public struct ModelError: Error, CustomStringConvertible, Sendable, Equatable {
    /// The message for people.
    public let description: String

    /// An error with its whole message.
    package init(_ description: String) { self.description = description }
}
