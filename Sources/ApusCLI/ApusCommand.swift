import ArgumentParser

/// The root command: says what there is.
struct ApusCommand: AsyncParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "apus",
        abstract: "Fine-tune language models by GRPO, on the machine in front of you.",
        discussion: """
            Apus trains a LoRA adapter on a model with 4-bit weights: it samples completions, scores them with reward \
            functions and moves the model towards the better ones. The adapter is in PEFT's format.

              apus train Recipes/arithmetic.yaml --model MODEL
              apus generate --model MODEL --adapter outputs/checkpoint-100 --prompt "What is 12 + 30?"

            Exit status: 0 done; 2 bad input, nothing was changed; 3 the run failed after it began; \
            130 interrupted and saved; 143 terminated and saved.
            """,
        version: version,
        subcommands: [
            TrainCommand.self, GenerateCommand.self, ScoreCommand.self, BenchCommand.self,
            PlanCommand.self, ReferenceCommand.self,
        ])

    func run() {
        print(
            """
            apus \(Self.version): fine-tune language models by GRPO, on the machine in front of you.

              apus train CONFIG.yaml --model MODEL    train; Recipes/ has configurations to start from
              apus generate --model MODEL --prompt P  try a model, or what was trained with --adapter

            Each command explains itself with --help.
            """)
    }
}
