import Apus
import ArgumentParser
import Foundation

/// `apus plan`: what a run would take of this machine's memory.
struct PlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Say how much memory a run would take, and what to change.",
        usage: "apus plan MODEL|CONFIG.yaml [--key value ...] [--json]",
        discussion: """
            Reads the model's header and the data, loads nothing. Keys are those of `apus train`; what is not given has its \
            default. Figures hold for completions that all reach their limit.

              apus plan Recipes/arithmetic.yaml --model models/model.gguf
              apus plan models/model.gguf --num_generations 4 --max_completion_length 200
            """)

    @Flag(help: "Print one JSON object.")
    var json = false

    @Argument(parsing: .allUnrecognized, help: "A model or a configuration file, and --key value for any setting.")
    var arguments: [String] = []

    func run() async throws {
        let configuration = try await failing(as: .badInput) {
            try RunConfiguration(arguments: Self.settings(arguments))
        }.located(try .standard)
        let report = try PlanReport(RunPlan(configuration))
        if json {
            Terminal.printLine(try JSONLine.encode(report.json))
        } else {
            configuration.notices.forEach(Terminal.complain)
            Terminal.printLine(report.text)
        }
    }

    /// A path that is no YAML file is the model's; `--set key value` is `--key value`.
    static func settings(_ arguments: [String]) -> [String] {
        var settings: [String] = []
        var isName = false
        for (index, argument) in arguments.enumerated() {
            if argument == "--set" {
                isName = true
            } else if isName {
                settings.append("--" + argument)
                isName = false
            } else if index == 0, !argument.hasPrefix("-"), !isConfiguration(argument) {
                settings += ["--model_name_or_path", argument]
            } else {
                settings.append(argument)
            }
        }
        return settings
    }

    private static func isConfiguration(_ path: String) -> Bool {
        [".yaml", ".yml", ".json"].contains { path.hasSuffix($0) }
    }
}
