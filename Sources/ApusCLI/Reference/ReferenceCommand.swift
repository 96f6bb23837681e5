import ArgumentParser

/// `apus reference`: prints docs/configuration.md, for whoever changes a setting.
struct ReferenceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reference", abstract: "Print docs/configuration.md from the table of settings.",
        shouldDisplay: false)

    func run() throws {
        Terminal.stream(ConfigurationReference().page)
    }
}
