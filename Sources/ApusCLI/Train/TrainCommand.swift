import Apus
import ArgumentParser

/// `apus train`: a GRPO run from a configuration file.
struct TrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a LoRA adapter by GRPO.",
        usage: "apus train [CONFIG.yaml] [--key value ...] [--dry-run]",
        discussion: """
            CONFIG.yaml holds TRL's GRPOConfig and ModelConfig keys, one `name: value` a line. Every key is also an \
            option, which wins over the file: --learning_rate 1e-5, --learning-rate 1e-5 and --learning_rate=1e-5 \
            are the same. docs/configuration.md lists the keys; a key that nobody knows is refused with the nearest \
            name. Recipes/ has configurations to start from.

              apus train Recipes/arithmetic.yaml --model models/model.gguf
              apus train --model models/model.gguf --dataset_name train.jsonl --max_steps 50

            The loss says nothing about progress: on policy it stays near 0 whatever is learnt. Watch the reward. \
            metrics.jsonl in output_dir has every figure; checkpoint-N folders there hold the adapter.

            Ctrl-C finishes the step, saves and stops (exit status 130); a second Ctrl-C stops at once.
            """)

    @Flag(help: "Print the resolved configuration and the memory it will take, and stop.")
    var dryRun = false

    @Flag(help: "Plain lines only, also on a terminal.")
    var noProgress = false

    @Flag(help: "Show the beginning of a completion below the bars.")
    var showCompletion = false

    @Argument(parsing: .allUnrecognized, help: "The configuration file, and --key value for any of its keys.")
    var arguments: [String] = []

    func run() async throws {
        let configuration = try failing(as: .badInput) { try RunConfiguration(arguments: arguments) }
        configuration.notices.forEach(Terminal.complain)
        if dryRun {
            // The trainer says this itself when a run begins.
            try BatchPlan(configuration.trainer).notice.map(Terminal.complain)
            Terminal.stream(try configuration.yaml)
            let located = try? await configuration.located(try .cached)
            Terminal.stream(DryRun(located ?? configuration).memory)
        } else {
            let configuration = try await configuration.located(try .standard)
            try RunPlan(configuration).refuseIfHopeless()
            var run = TrainingRun(configuration)
            if noProgress || configuration.settings.disablesProgress { Terminal.suppressProgress() }
            run.showsCompletion = showCompletion
            try await run.run()
        }
    }
}
