/// What a supervised run needs beside the trainer's settings and what it has in common with `apus train`.
struct SFTSettings: Codable, Equatable, Sendable {
    /// Whether an adapter is trained beside frozen weights; false trains all weights.
    var usesPEFT = true
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

    enum CodingKeys: String, CodingKey, CaseIterable {
        case usesPEFT = "use_peft"
        case startsFromScratch = "from_scratch"
        case completionColumn = "completion_column"
        case textColumn = "dataset_text_field"
        case directShare = "direct_share"
        case slipRate = "slip_rate"
    }
}
