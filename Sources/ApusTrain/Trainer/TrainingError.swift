internal import ApusModel

/// Why a run could not start or go on, in one line.
public struct TrainingError: Error, CustomStringConvertible, Sendable {
    /// What kind of failure it is.
    public enum Code: Sendable, Equatable {
        /// The data set cannot fill one generation batch.
        case tooFewPrompts
        /// A checkpoint cannot be continued, or not with these settings.
        case resume
        /// A prompt could not be turned into tokens.
        case prompt
        /// A reward function failed, or what it returned cannot be used.
        case reward
        /// The model failed.
        case policy
        /// The output folder cannot be created or written, or another run has it.
        case outputFolder
        /// A file of the run could not be written.
        case output
        /// Losses or gradients were not finite for too many steps in a row.
        case notFinite
        /// Rewards were equal in every group for as long as `stop_after_equal_rewards` allows.
        case equalRewards
    }

    /// What kind of failure it is.
    public let code: Code
    /// What was wanted, what was found, what to do: one line.
    public let message: String
    /// The message.
    public var description: String { message }
    /// Whether nothing was run and nothing was written.
    public var isBadInput: Bool {
        switch code {
        case .tooFewPrompts, .resume, .prompt, .outputFolder: true
        case .reward, .policy, .output, .notFinite, .equalRewards: false
        }
    }

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}

extension TrainingError {
    /// A failure of the model at a step, which is counted from 1.
    static func model(failedTo action: String, step: Int, _ error: any Error) -> TrainingError {
        let reason = MemoryShortage(error)?.advisedBySettings ?? "\(error)"
        return TrainingError(.policy, "the model failed to \(action) at step \(step): \(reason)")
    }
}

extension MemoryShortage {
    /// The error with the settings that are to change.
    fileprivate var advisedBySettings: String {
        switch work {
        case _ where isOfHost:
            "\(finding); free some of it, or set gradient_checkpointing: true to keep rows on the card"
        case .trainingPass: "\(finding); lower per_device_train_batch_size or raise memory_utilization"
        case .sequence: "\(finding); raise memory_utilization, or shorten prompts or max_completion_length"
        case .onCard:
            "\(finding); in this order: gpu_memory_utilization: 0.5, num_generations: 4, a smaller "
                + "per_device_train_batch_size with more gradient_accumulation_steps, fewer lora_target_modules; then a smaller "
                + "max_completion_length, gradient_checkpointing: unsloth, load_in_4bit or a smaller model"
        }
    }
}
