import Apus
import ArgumentParser

/// `apus sft`: supervised fine-tuning from a configuration file.
struct SFTCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sft",
        abstract: "Fine-tune on given answers (supervised): an adapter, or all weights of a small model.",
        usage: "apus sft [CONFIG.yaml] [--key value ...] [--dry-run]",
        discussion: """
            The usual warm-up before GRPO: a few hundred examples of the format that the rewards will ask for. CONFIG.yaml \
            holds TRL's SFTConfig and ModelConfig keys, one `name: value` a line; every key is also an option, which wins \
            over the file. docs/sft.md lists the keys and the forms of data.

              apus sft --model models/model.gguf --dataset_name examples.jsonl --learning_rate 2e-4
              apus train Recipes/arithmetic.yaml --model models/model.gguf --adapter trainer_output/checkpoint-60

            Rows are {"prompt": …, "completion": …}, {"messages": […]} or {"text": …}; of the first the completion alone \
            is learnt.

            --use_peft false trains all weights, and --from_scratch makes them up first from config.json. This is for \
            small models: parameters, gradients and AdamW's moments in fp32 take 16 bytes a parameter and the copy that \
            the kernels read 4 more, so 10 million parameters take 200 MB and 500 million 10 GB, and all arithmetic is \
            fp32. The result is a model folder; it is stored in bf16 unless dtype is float32.

            Ctrl-C finishes the step, saves and stops (exit status 130); a second Ctrl-C stops at once. \
            --resume_from_checkpoint true goes on from the newest checkpoint, bit for bit.
            """)

    @Flag(help: "Print the resolved configuration and stop.")
    var dryRun = false

    @Argument(parsing: .allUnrecognized, help: "The configuration file, and --key value for any of its keys.")
    var arguments: [String] = []

    func run() async throws {
        let configuration = try failing(as: .badInput) { try SFTRunConfiguration(arguments: arguments) }
        configuration.notices.forEach(Terminal.complain)
        if dryRun {
            Terminal.stream(try configuration.yaml)
        } else {
            try await SFTRun(configuration.located(try .standard)).run()
        }
    }
}
