import Apus
import ArgumentParser

/// The root command: says what there is.
struct ApusCommand: AsyncParsableCommand {
    static let version = CodeVersion.current

    static let configuration = CommandConfiguration(
        commandName: "apus",
        abstract: "Fine-tune language models by GRPO, on the machine in front of you.",
        discussion: """
            Apus trains a LoRA adapter on a model with 4-bit weights: it samples completions, scores them with reward \
            functions and moves the model towards the better ones. The adapter is in PEFT's format.

              apus demo
              apus train Recipes/arithmetic.yaml --model MODEL
              apus generate --model MODEL --adapter outputs/checkpoint-100 --prompt "What is 12 + 30?"

            Exit status: 0 done; 2 bad input, nothing was changed; 3 the run failed after it began; \
            129 hung up, 130 interrupted, 143 terminated, each after saving.
            """,
        version: version,
        subcommands: [
            DemoCommand.self, TrainCommand.self, SFTCommand.self, GenerateCommand.self, ChatCommand.self,
            ScoreCommand.self, EvalCommand.self, ExportCommand.self, InspectCommand.self, TokenizeCommand.self,
            DataCommand.self, PullCommand.self, PushCommand.self, CacheCommand.self,
            BenchCommand.self, PlanCommand.self, DoctorCommand.self, ReferenceCommand.self,
        ])

    func run() {
        print(
            """
            apus \(Self.version): fine-tune language models by GRPO, on the machine in front of you.

            Begin here; it needs no download and no Python:

              apus demo                               watch a tiny model learn, in under a minute

            Then:

              apus doctor                             what this machine has, and what is missing
              apus pull org/name                      bring a model or, with --dataset, a data set from the hub
              apus inspect MODEL                      what a model or an adapter is, and whether it can be used
              apus data DATA                          what a data set holds, and what the model will see of it
              apus plan MODEL                         how much memory a run takes, and what to change
              apus train CONFIG.yaml --model MODEL    train; Recipes/ has configurations to start from
              apus generate --model MODEL --prompt P  try a model, or what was trained with --adapter
              apus push CHECKPOINT org/name           give what was trained to the hub

            Each command explains itself with --help.
            """)
    }
}
