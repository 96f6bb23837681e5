/// One turn of a conversation.
public struct Message: Codable, Sendable, Equatable {
    /// Who speaks: "system", "user", "assistant" or whatever else the model's template knows.
    public var role: String
    /// What is said.
    public var content: String

    /// Makes a turn.
    public init(role: String, content: String) {
        self.role = role
        self.content = content
    }
}
