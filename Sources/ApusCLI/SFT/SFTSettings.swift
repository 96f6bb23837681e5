import Apus

/// What a supervised run needs beside the trainer's settings and what it has in common with `apus train`.
struct SFTSettings: DeclaredSettings {
    /// Whether the model begins with random weights.
    var startsFromScratch = false
    /// The column that holds the completion, beside that of the prompt.
    var completionColumn = "completion"
    /// The column that holds plain text, in data without prompts.
    var textColumn = "text"
    /// Of the built-in arithmetic: share of answers without working.
    var directShare = 0.0
    /// Of the built-in arithmetic: probability that a line of working has a wrong result.
    var slipRate = 0.0

    static let declarations: [SettingDeclaration<SFTSettings>] = [
        .flag("from_scratch", \.startsFromScratch, "begin with random weights").from(.apus),
        .text("completion_column", \.completionColumn, "the column with the completion").from(.apus),
        .text("dataset_text_field", \.textColumn, "the column with plain text, in data without prompts"),
        .number("direct_share", \.directShare, .from(0, to: 1), "of the arithmetic: share of answers without working")
            .from(.apus),
        .number(
            "slip_rate", \.slipRate, .from(0, to: 1), "of the arithmetic: probability of a slip in a line of working"
        ).from(.apus),
    ]
}
