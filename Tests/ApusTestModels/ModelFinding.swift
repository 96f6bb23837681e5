/// How far a model on some device is from what transformers and PEFT computed, in one respect.
public struct ModelFinding: Sendable, CustomStringConvertible {
    /// What is compared, such as the name of a tensor.
    public let subject: String
    /// The largest difference, mostly as a share of the largest value.
    public let difference: Float
    /// What it has to be less than.
    public let tolerance: Float

    /// Whether the difference is what rounding explains.
    public var isRight: Bool { difference < tolerance }

    /// All of it in a line.
    public var description: String { "\(subject) differs by \(difference), allowed is less than \(tolerance)" }
}
