/// What a reward function sees: parallel lists with one entry for each completion.
public struct RewardContext: Sendable {
    /// The prompt of each completion.
    public var prompts: [Prompt]
    /// The text of each completion, without special tokens.
    public var completions: [String]
    /// The tokens of each completion, with the end token where one was produced.
    public var completionTokens: [[Int32]]
    /// The dataset's columns by name, each with one value for each completion; null where a row lacks the column.
    public var columns: [String: [JSONValue]]
    /// Optimizer steps done so far.
    public var globalStep: Int
    /// Optimizer steps of the whole run.
    public var maxSteps: Int
    /// Passes over the prompts so far, with the part of the current one.
    public var epoch: Double

    /// A context of lists that all have as many entries as `completions`.
    public init(
        prompts: [Prompt], completions: [String], completionTokens: [[Int32]], columns: [String: [JSONValue]],
        globalStep: Int, maxSteps: Int, epoch: Double = 0
    ) {
        self.prompts = prompts
        self.completions = completions
        self.completionTokens = completionTokens
        self.columns = columns
        self.globalStep = globalStep
        self.maxSteps = maxSteps
        self.epoch = epoch
    }

    /// A context for completions of these samples, `samples[i]` being the one that `completions[i]` answers.
    public init(
        samples: [Sample], completions: [String], completionTokens: [[Int32]], globalStep: Int = 0, maxSteps: Int = 0,
        epoch: Double = 0
    ) {
        var columns: [String: [JSONValue]] = [:]
        for name in Set(samples.flatMap(\.columns.keys)) {
            columns[name] = samples.map { $0.columns[name] ?? .null }
        }
        self.init(
            prompts: samples.map(\.prompt), completions: completions, completionTokens: completionTokens,
            columns: columns, globalStep: globalStep, maxSteps: maxSteps, epoch: epoch)
    }

    /// The columns of the sample that one completion answers. Nulls are left out.
    public func columns(at index: Int) -> [String: JSONValue] {
        columns.compactMapValues { $0[index] == .null ? nil : $0[index] }
    }
}
