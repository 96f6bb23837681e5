/// What a reward function pays for, and how much at most: what tells a run whose form is right from one whose answers are.
public struct RewardAim: Sendable, Equatable {
    /// What is looked at.
    public enum Subject: Sendable, Equatable {
        /// The answer: it is compared with a reference.
        case answer
        /// The form: tags, length, whether something can be read at all.
        case form
    }

    /// What is looked at.
    public var subject: Subject
    /// The score of a completion that has all that is wanted.
    public var maximum: Double

    /// Memberwise.
    public init(_ subject: Subject, maximum: Double) {
        self.subject = subject
        self.maximum = maximum
    }
}
