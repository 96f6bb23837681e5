import ApusData

/// When the model is evaluated within a run.
public enum EvaluationStrategy: String, Codable, Sendable, SettingChoice {
    /// Never.
    case no
    /// Every `eval_steps` optimizer steps.
    case steps
    /// At the end of each pass over the prompts.
    case epoch

    package static var flags: (true: EvaluationStrategy?, false: EvaluationStrategy?) { (nil, .no) }
}

extension GRPOConfiguration {
    /// Checks that there is something to evaluate on when evaluations are asked for.
    func check(evaluationDataset: Dataset?) throws(ConfigurationError) {
        guard evalStrategy != .no, evaluationDataset?.samples.isEmpty ?? true else { return }
        throw ConfigurationError(
            key: "eval_strategy", value: evalStrategy.rawValue,
            rule: "needs data to evaluate on: give eval_dataset_name, or eval_size to split it off the training data")
    }

    /// Optimizer steps between evaluations, where steps are what counts.
    func evaluationInterval(of maxSteps: Int) -> Int? {
        evalStrategy == .steps ? output.interval(evalSteps ?? output.loggingSteps, of: maxSteps) : nil
    }
}

/// How an evaluation cuts its completions into batches: derived from a configuration.
///
/// Metrics are computed for each batch and averaged over the batches, as TRL does. How many completions are sampled at a
/// time is another matter and changes nothing.
struct EvaluationPlan: Sendable, Equatable {
    /// Completions of a prompt.
    let groupSize: Int
    /// Completions in a batch: whole groups.
    let batchSize: Int
    /// What was changed to make the sizes fit, in one line.
    let notice: String?

    /// Derives the sizes. A batch that holds no whole groups is raised to the next size that does, unless
    /// `strict_batch_size` asks for TRL's refusal.
    /// - Throws: ``ConfigurationError`` for such a batch under `strict_batch_size`.
    init(_ configuration: GRPOConfiguration) throws(ConfigurationError) {
        groupSize =
            configuration.numGenerationsEval ?? (configuration.evalTemperature == 0 ? 1 : configuration.numGenerations)
        let wanted = configuration.perDeviceEvalBatchSize
        batchSize = (wanted + groupSize - 1) / groupSize * groupSize
        guard wanted != batchSize else {
            notice = nil
            return
        }
        guard !configuration.strictBatchSize || configuration.evalStrategy == .no else {
            throw ConfigurationError(
                key: "per_device_eval_batch_size", value: "\(wanted)",
                rule: "must be a multiple of num_generations_eval (\(groupSize))")
        }
        notice =
            "per_device_eval_batch_size \(wanted) does not hold whole groups of num_generations_eval \(groupSize): "
            + "it is now \(batchSize)"
    }
}
