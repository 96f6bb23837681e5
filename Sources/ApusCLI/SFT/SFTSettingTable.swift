import Apus

/// Every key that the configuration of a supervised run may hold: TRL's `SFTConfig` and `ModelConfig`, and what
/// `apus train` knows besides. Keys of GRPO alone are refused with their reason.
enum SFTSettingTable {
    static let index = SettingIndex(own + shared)

    /// Settings that supervised training adds, or reads otherwise than GRPO.
    private static let own: [Setting] =
        settings + [
            Setting(
                "packing_strategy",
                .ignored(
                    unless: ["bfd"], notice: "packs are filled best fit, longest sequence first, without splitting any")
            ),
            Setting("padding_free", .ignored(unless: ["true"], notice: "rows are packed; nothing is padded")),
            Setting("eval_packing", .ignored(notice: "there is no evaluation within a supervised run")),
            Setting(
                "activation_offloading",
                .ignored(unless: ["false"], notice: "gradient_checkpointing: unsloth keeps rows in main memory")),
            Setting("disable_dropout", .ignored(notice: "there is no dropout")),
            Setting("run_name", .ignored(notice: "runs are told apart by their output_dir")),
            Setting("project", .ignored(unless: ["huggingface"], notice: metricsOnly)),
            Setting("trackio_space_id", .ignored(notice: metricsOnly)),
            Setting("report_to", .ignored(unless: ["none", "[]"], notice: metricsOnly)),
            Setting("logging_dir", .ignored(notice: metricsOnly)),
            Setting("disable_tqdm", .ignored(notice: "the progress line appears only on a terminal")),
            Setting(
                "eval_strategy",
                .refused(
                    unless: ["no", "false"], reason: "supervised runs do not evaluate; run apus eval on a checkpoint")),
            Setting("loss_type", .refused(unless: ["nll"], reason: "the loss is the negative log-likelihood")),
            Setting("truncation_mode", .refused(unless: ["keep_start"], reason: "long sequences lose their end")),
            Setting("neftune_noise_alpha", .refused(unless: [], reason: "noise on embeddings is not supported")),
            Setting(
                "label_smoothing_factor", .refused(unless: ["0", "0.0"], reason: "label smoothing is not supported")),
            Setting(
                "dataset_kwargs", .refused(unless: [], reason: "name columns with prompt_column and completion_column")),
            Setting("eos_token", .refused(unless: [], reason: "the tokenizer says how texts end")),
            Setting("pad_token", .refused(unless: [], reason: "rows are packed; nothing is padded")),
            Setting(
                "chat_template_path", .refused(unless: [], reason: "the template is that of the model's tokenizer")),
        ]

    /// Those of `SFTConfiguration` that GRPO does not have, and those of supervised data.
    private static let settings =
        SettingTable.rows(
            of: SFTConfiguration.declarations.map(\.facts).filter { SettingTable.facts[$0.key] == nil }
        ) { .trainer($0) } + SettingTable.rows(of: SFTSettings.declarations.map(\.facts)) { .run($0) }

    private static let metricsOnly = "metrics go to metrics.jsonl in output_dir"

    private static let shared: [Setting] = {
        let names = Set(own.map(\.name))
        return SettingTable.rows.filter { !names.contains($0.name) }.map { row in
            switch row.treatment {
            case .trainer where !SFTConfiguration.settingNames.contains(row.name), .run where isForRewards(row.name):
                Setting(row.name, .refused(unless: [], reason: "belongs to GRPO (apus train); remove the key"))
            default: row
            }
        }
    }()

    private static func isForRewards(_ name: String) -> Bool {
        name.hasPrefix("answer_") || name.hasPrefix("reward_") || name.hasPrefix("eval_") || name == "python"
    }
}
