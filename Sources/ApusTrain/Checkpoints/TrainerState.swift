import Foundation

/// `trainer_state.json`, with exactly the keys that every Transformers from 4.48 on reads: its loader refuses others.
struct TrainerState: Sendable, Encodable {
    static let fileName = "trainer_state.json"

    var bestMetric: Double?
    var bestCheckpoint: String?
    var epoch: Double
    var globalStep: Int
    var logHistory: [MetricsRecord]
    var loggingSteps: Int
    var maxSteps: Int
    var tokensSeen: Int
    var epochs: Int
    var saveSteps: Int
    var evalSteps: Int
    var batchSize: Int
    var isLast: Bool

    private enum CodingKeys: String, CodingKey {
        case bestMetric = "best_metric"
        case bestModelCheckpoint = "best_model_checkpoint"
        case epoch
        case evalSteps = "eval_steps"
        case globalStep = "global_step"
        case isHyperParamSearch = "is_hyper_param_search"
        case isLocalProcessZero = "is_local_process_zero"
        case isWorldProcessZero = "is_world_process_zero"
        case logHistory = "log_history"
        case loggingSteps = "logging_steps"
        case maxSteps = "max_steps"
        case tokensSeen = "num_input_tokens_seen"
        case epochs = "num_train_epochs"
        case saveSteps = "save_steps"
        case callbacks = "stateful_callbacks"
        case totalFlos = "total_flos"
        case batchSize = "train_batch_size"
        case trialName = "trial_name"
        case trialParameters = "trial_params"
    }

    private struct Callbacks: Encodable {
        struct Control: Encodable {
            struct Arguments: Encodable {
                var should_epoch_stop = false
                var should_evaluate = false
                var should_log = false
                var should_save = true
                var should_training_stop: Bool
            }
            var args: Arguments
            var attributes: [String: Bool] = [:]
        }
        var TrainerControl: Control
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(bestMetric, forKey: .bestMetric)
        try container.encode(bestCheckpoint, forKey: .bestModelCheckpoint)
        try container.encode(epoch, forKey: .epoch)
        try container.encode(evalSteps, forKey: .evalSteps)
        try container.encode(globalStep, forKey: .globalStep)
        try container.encode(false, forKey: .isHyperParamSearch)
        try container.encode(true, forKey: .isLocalProcessZero)
        try container.encode(true, forKey: .isWorldProcessZero)
        try container.encode(logHistory, forKey: .logHistory)
        try container.encode(loggingSteps, forKey: .loggingSteps)
        try container.encode(maxSteps, forKey: .maxSteps)
        try container.encode(tokensSeen, forKey: .tokensSeen)
        try container.encode(epochs, forKey: .epochs)
        try container.encode(saveSteps, forKey: .saveSteps)
        let arguments = Callbacks.Control.Arguments(should_training_stop: isLast)
        try container.encode(Callbacks(TrainerControl: .init(args: arguments)), forKey: .callbacks)
        try container.encode(0.0, forKey: .totalFlos)
        try container.encode(batchSize, forKey: .batchSize)
        try container.encodeNil(forKey: .trialName)
        try container.encodeNil(forKey: .trialParameters)
    }

    /// The log lines of a file.
    struct LogHistory: Decodable {
        let records: [MetricsRecord]

        private enum CodingKeys: String, CodingKey { case records = "log_history" }
    }

    /// The file's bytes.
    func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self) + Data("\n".utf8)
    }
}
