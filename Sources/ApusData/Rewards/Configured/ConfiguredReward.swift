/// The kinds of reward that take parameters: `{name: regex, pattern: "...", score: 0.5}`.
///
/// All of them pay `score` (1 unless given) for what they want, `otherwise` (0) for what they do not, and nothing in between
/// unless their description says so. They are logged under their kind, or under `label`.
package enum ConfiguredReward: String, Sendable, CaseIterable {
    /// The answer is, after normalisation, the reference.
    case exact
    /// The answer is a number equal to the reference, or close to it.
    case numeric
    /// A regular expression matches.
    case regex
    /// Tags occur once each, in order.
    case xml
    /// The completion has the wanted length.
    case length
    /// The completion is JSON of a wanted form.
    case jsonSchema = "json_schema"

    /// The function with these parameters.
    ///
    /// - Throws: ``RewardParameterError`` for a parameter that is unknown, missing, of the wrong type or out of range.
    package func function(parameters: [String: JSONValue]) throws(RewardParameterError) -> any RewardFunction {
        var reader = RewardParameters(parameters)
        let label = try reader.text("label") ?? rawValue
        let function: any RewardFunction
        switch self {
        case .exact: function = try Self.exact(label, &reader)
        case .numeric: function = try Self.numeric(label, &reader)
        case .regex: function = try Self.regex(label, &reader)
        case .xml: function = try Self.xml(label, &reader)
        case .length: function = try Self.length(label, &reader)
        case .jsonSchema: function = try Self.jsonSchema(label, &reader)
        }
        try reader.finish()
        var definition = parameters
        definition["label"] = nil
        definition["name"] = .string(rawValue)
        return IdentifiedReward(base: function, identity: RewardIdentity(definition: .object(definition)))
    }

    /// What a completion earns that is as wanted, and one that is not.
    struct Scores: Sendable {
        let score: Double
        let otherwise: Double

        init(_ parameters: inout RewardParameters) throws(RewardParameterError) {
            score = try parameters.number("score") ?? 1
            otherwise = try parameters.number("otherwise") ?? 0
        }

        /// What a function with these scores pays for.
        func aim(_ subject: RewardAim.Subject) -> RewardAim { RewardAim(subject, maximum: max(score, otherwise)) }

        func of(_ isWanted: Bool) -> Double { isWanted ? score : otherwise }
    }
}

/// A parameter of a reward that cannot be used: names the parameter, what was wanted and what was found.
public struct RewardParameterError: Error, CustomStringConvertible, Sendable, Equatable {
    /// One line.
    public let description: String

    init(_ description: String) { self.description = description }
}
