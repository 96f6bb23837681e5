import ApusData
import Foundation

/// The parameters of a reward that a server computes.
struct EndpointOptions {
    var label: String
    var timeout: Duration?
    var retries = 3

    /// - Throws: ``RewardDeclarationError`` for a parameter that is unknown or out of range.
    init(_ declaration: RewardDeclaration) throws(RewardDeclarationError) {
        func number(_ key: String, _ value: JSONValue) throws(RewardDeclarationError) -> Double {
            guard let number = value.number, (0...86400).contains(number) else {
                throw RewardDeclarationError(declaration.name, "wants a number from 0 to 86400 for \(key)")
            }
            return number
        }
        label = try RewardDeclaration.label(declaration.parameters) ?? Self.defaultLabel(declaration.name)
        for (key, value) in declaration.parameters.sorted(by: { $0.key < $1.key }) {
            switch key {
            case "label": continue
            case "timeout": timeout = .seconds(within: try number(key, value))
            case "retries": retries = try number(key, value).wholeNumber(in: 0...1000)
            default:
                throw RewardDeclarationError(
                    declaration.name, "has no parameter '\(key)'; there are label, retries, timeout")
            }
        }
    }

    /// Server and path: what tells two endpoints apart, without what may be a secret in the query.
    private static func defaultLabel(_ address: String) -> String {
        guard let url = URL(string: address), let host = url.host else { return address }
        return host + (url.port.map { ":\($0)" } ?? "") + (url.path == "/" ? "" : url.path)
    }
}
