/// How a layer's queries meet its keys.
public struct AttentionRule: Sendable, Equatable {
    /// What q · k is multiplied by.
    public var scale: Float
    /// Scores s become c · tanh(s / c) (Gemma 2); nil for as they are.
    public var softCap: Float?
    /// A query sees this many keys, its own and those before it; nil for all.
    public var window: Int?

    /// A rule.
    public init(scale: Float, softCap: Float? = nil, window: Int? = nil) {
        self.scale = scale
        self.softCap = softCap
        self.window = window
    }
}
