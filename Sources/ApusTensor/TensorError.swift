/// A failure of the numeric layer, in one line: what was wanted, what was found, what to do.
public struct TensorError: Error, CustomStringConvertible, Sendable {
    /// The message for people.
    public let description: String

    /// An error with its whole message.
    public init(_ description: String) { self.description = description }

    /// What was wanted and what was found, without what the message begins with and the advice that it ends with: for
    /// sentences that say what is done instead.
    package var finding: String {
        let beginning = description.firstRange(of: ": ")?.upperBound ?? description.startIndex
        return String(description[beginning...].prefix { $0 != ";" })
    }
}
