public import ApusData
package import ApusPython
import Foundation

/// A reward as a configuration names it: a name, or a mapping with `name` and parameters.
///
/// The name is that of a built-in function or set, of a built-in function with parameters (`exact`, `numeric`, `regex`,
/// `xml`, `length`, `json_schema`), a Python function (`rewards.py:f`, `module.f`) or the address of a server
/// (`http://…`, `https://…`).
public struct RewardDeclaration: Sendable, Equatable {
    /// What the reward is.
    package enum Kind: Sendable, Equatable {
        /// A built-in function, or a set of them.
        case builtIn
        /// A built-in function that takes parameters.
        case configured(ConfiguredReward)
        /// A function written in Python.
        case python(PythonFunction)
        /// A server.
        case endpoint
    }

    /// The name as it is written.
    public var name: String
    /// The other members of the mapping.
    public var parameters: [String: JSONValue]

    /// A reward by its name.
    public init(_ name: String, parameters: [String: JSONValue] = [:]) {
        self.name = name
        self.parameters = parameters
    }

    /// Rewards by TRL's names that are in the worker's own program, math_rewards.py.
    package static let mathRewards = ["accuracy_reward", "reasoning_accuracy_reward"]

    /// What the name stands for; nil when it is nothing that there is.
    package var kind: Kind? {
        if BuiltInRewards.sets[name] != nil || BuiltInRewards.named(name) != nil { return .builtIn }
        if let kind = ConfiguredReward(rawValue: name) { return .configured(kind) }
        if Self.mathRewards.contains(name) { return .python(PythonFunction(source: .module("__main__"), name: name)) }
        if name.hasPrefix("http://") || name.hasPrefix("https://") {
            // A name from the environment may be all that there is of the host.
            return name.contains("${") || URL(string: name)?.host != nil ? .endpoint : nil
        }
        return PythonFunction(name).map(Kind.python)
    }

    /// The declaration with the path of its Python file as it is found from here; one folder after the other is searched.
    ///
    /// A module that lies beside the configuration becomes that file.
    /// - Throws: ``RewardDeclarationError`` when the name stands for nothing, a parameter cannot be used, or there is no such
    ///   file.
    public func resolved(in folders: [String]) throws(RewardDeclarationError) -> RewardDeclaration {
        guard let kind else { throw RewardDeclarationError(name, "is no reward that there is") }
        switch kind {
        case .builtIn:
            guard parameters.isEmpty else { throw RewardDeclarationError(name, "takes no parameters") }
        case .configured(let reward):
            do {
                _ = try reward.function(parameters: parameters)
            } catch {
                throw RewardDeclarationError(name, error.description)
            }
        case .endpoint: _ = try EndpointOptions(self)
        case .python(let function):
            _ = try label(or: function.name)
            if Self.mathRewards.contains(name) { return self }
            do {
                return RewardDeclaration(try function.resolved(in: folders).text, parameters: parameters)
            } catch {
                throw RewardDeclarationError(name, error.description)
            }
        }
        return self
    }

    /// The name in the logs: the parameter `label`, which has to be the only one.
    func label(or name: String) throws(RewardDeclarationError) -> String {
        if let other = parameters.keys.filter({ $0 != "label" }).min() {
            throw RewardDeclarationError(self.name, "has no parameter '\(other)'; there is label")
        }
        return try Self.label(parameters) ?? name
    }

    static func label(_ parameters: [String: JSONValue]) throws(RewardDeclarationError) -> String? {
        guard let value = parameters["label"] else { return nil }
        guard let label = value.string, !label.isEmpty else {
            throw RewardDeclarationError("label", "must be text")
        }
        return label
    }
}

extension RewardDeclaration: ExpressibleByStringLiteral {
    /// A reward by its name.
    public init(stringLiteral name: String) { self.init(name) }
}

extension RewardDeclaration: Codable {
    /// Reads a name, or a mapping with `name`.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let name = try? container.decode(String.self) {
            self.init(name)
            return
        }
        var members = try container.decode([String: JSONValue].self)
        guard let name = members.removeValue(forKey: "name")?.string else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "a reward needs a name")
        }
        self.init(name, parameters: members)
    }

    /// Writes what ``init(from:)`` reads.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if parameters.isEmpty {
            try container.encode(name)
        } else {
            try container.encode(parameters.merging(["name": .string(name)]) { $1 })
        }
    }
}

/// A reward that cannot be declared so, in one line.
public struct RewardDeclarationError: Error, CustomStringConvertible, Sendable, Equatable {
    /// The reward's name and what is wrong with it.
    public let description: String

    init(_ name: String, _ problem: String) { description = "'\(name)' \(problem)" }
}
