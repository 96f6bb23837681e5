import ApusData
import ApusNetwork
import Foundation

/// The parameters of a reward that a server computes.
struct EndpointOptions {
    var url: URL
    var label: String
    var timeout: Duration?
    var retries = 3

    /// - Throws: ``RewardDeclarationError`` for a parameter that is unknown or out of range.
    init(_ declaration: RewardDeclaration) throws(RewardDeclarationError) {
        func number(_ key: String, _ value: JSONValue) throws(RewardDeclarationError) -> Double {
            guard let number = value.number, (0...86400).contains(number) else {
                throw RewardDeclarationError(Self.shown(declaration.name), "wants a number from 0 to 86400 for \(key)")
            }
            return number
        }
        url = try Self.address(declaration.name)
        label = try RewardDeclaration.label(declaration.parameters) ?? Self.defaultLabel(url)
        for (key, value) in declaration.parameters.sorted(by: { $0.key < $1.key }) {
            switch key {
            case "label": continue
            case "timeout": timeout = .seconds(within: try number(key, value))
            case "retries": retries = try number(key, value).wholeNumber(in: 0...1000)
            default:
                throw RewardDeclarationError(
                    Self.shown(declaration.name), "has no parameter '\(key)'; there are label, retries, timeout")
            }
        }
    }

    /// The address with the environment's values in the place of `${NAME}`, where a recipe leaves out what is secret.
    ///
    /// - Throws: ``RewardDeclarationError`` for a variable that is not set, or what is no address.
    static func address(_ text: String) throws(RewardDeclarationError) -> URL {
        var address = text
        while let start = address.range(of: "${"), let end = address[start.upperBound...].firstIndex(of: "}") {
            let name = String(address[start.upperBound..<end])
            guard let value = ProcessInfo.processInfo.environment[name], !value.contains("${") else {
                throw RewardDeclarationError(shown(text), "names the environment variable '\(name)', which is not set")
            }
            address.replaceSubrange(start.lowerBound...end, with: value)
        }
        guard let url = URL(string: address), url.host != nil else {
            throw RewardDeclarationError(shown(text), "is no address of a server")
        }
        return url
    }

    /// An address for messages, its secrets left out.
    static func shown(_ text: String) -> String { URL(string: text)?.withoutSecrets ?? "the address of a server" }

    /// Server and path: what tells two endpoints apart, without what may be a secret in the query.
    private static func defaultLabel(_ url: URL) -> String {
        guard let host = url.host else { return url.withoutSecrets }
        return host + (url.port.map { ":\($0)" } ?? "") + (url.path == "/" ? "" : url.path)
    }
}
