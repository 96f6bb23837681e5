public import Foundation

/// What a reward function is made of, as far as two runs can compare it.
public struct RewardIdentity: Sendable, Equatable {
    /// What was declared, to the letter: the kind with its parameters, or the function's name. A run is not continued with
    /// another one.
    public var definition: JSONValue?
    /// The file that the function is written in. It may be edited between a run and its continuation, which then says so.
    public var file: URL?
    /// The server that computes the scores. It may move, and the continuation says so.
    public var server: URL?

    /// Memberwise; nothing where nothing can be told.
    public init(definition: JSONValue? = nil, file: URL? = nil, server: URL? = nil) {
        self.definition = definition
        self.file = file
        self.server = server
    }
}

/// A reward function that knows what it was made of.
struct IdentifiedReward: RewardFunction {
    let base: any RewardFunction
    let identity: RewardIdentity
    var name: String { base.name }
    var aim: RewardAim? { base.aim }

    func scores(_ context: RewardContext) async throws -> [Double?] { try await base.scores(context) }
    func evaluate(_ context: RewardContext) async throws -> RewardEvaluation { try await base.evaluate(context) }
}
