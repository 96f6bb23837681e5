@testable import ApusCLI

/// Resolves YAML and command-line arguments as `apus train` does, without files.
func resolve(_ yaml: String, _ arguments: [String] = []) throws -> RunConfiguration {
    let file = try ConfigurationFile.parse(yaml, name: "run.yaml")
    return try RunConfiguration(layers: [file, OverrideArguments(arguments).settings])
}

/// The message with which a configuration is refused, or nil when it is accepted.
func refusal(_ yaml: String, _ arguments: [String] = []) -> String? {
    do {
        _ = try resolve(yaml, arguments)
        return nil
    } catch {
        return String(describing: error)
    }
}
