public import ApusData
import Foundation

extension SFTConfiguration {
    /// Every key that a configuration may hold.
    public static var settingNames: [String] { CodingKeys.allCases.map(\.rawValue) }

    /// The defaults with some settings laid over them, each in its own type.
    /// - Throws: ``ConfigurationError`` for an unknown key, a wrong type or a broken rule.
    public init(settings: [String: JSONValue]) throws(ConfigurationError) {
        do {
            var tree = [String: JSONValue](settingsOf: SFTConfiguration())
            for (key, value) in settings.sorted(by: { $0.key < $1.key }) {
                guard tree[key] != nil else {
                    throw ConfigurationError(unknown: key, suggestion: nearestName(to: key, among: Self.settingNames))
                }
                tree[key] = key == CodingKeys.resumeFromCheckpoint.rawValue ? value.checkpointPath : value
            }
            self = try JSONDecoder().decode(SFTConfiguration.self, from: JSONEncoder().encode(tree))
        } catch let error as ConfigurationError {
            throw error
        } catch DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
            DecodingError.dataCorrupted(let context)
        {
            let key = context.codingPath.first?.stringValue ?? "configuration"
            throw ConfigurationError(key: key, value: "its value", rule: "is of the wrong kind")
        } catch {
            throw ConfigurationError(key: "configuration", value: "\(error)", rule: "cannot be read")
        }
        try validate()
    }

    /// Checks every rule that does not depend on the model or the data.
    /// - Throws: ``ConfigurationError`` naming the key, its value and the rule.
    public func validate() throws(ConfigurationError) {
        try require("per_device_train_batch_size", perDeviceTrainBatchSize, "must be at least 1") { $0 >= 1 }
        try require("gradient_accumulation_steps", gradientAccumulationSteps, "must be at least 1") { $0 >= 1 }
        try require("max_length", maxLength ?? 2, "must be at least 2: one token predicts the next") { $0 >= 2 }
        try validateOptimizer()
        try validateOutput()
        try require("seed", seed, "must be at least 0") { $0 >= 0 }
        try require("data_seed", dataSeed ?? 0, "must be at least 0") { $0 >= 0 }
        try require("memory_utilization", memoryUtilization, "must be above 0 and at most 1") { $0 > 0 && $0 <= 1 }
    }
}
