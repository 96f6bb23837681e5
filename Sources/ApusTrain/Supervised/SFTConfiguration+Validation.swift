public import ApusData
import Foundation

extension SFTConfiguration {
    /// Every key that a configuration may hold.
    public static var settingNames: [String] { CodingKeys.allCases.map(\.rawValue) }

    /// The defaults with some settings laid over them, each in its own type.
    /// - Throws: ``ConfigurationError`` for an unknown key, a wrong type or a broken rule.
    public init(settings: [String: JSONValue]) throws(ConfigurationError) {
        do {
            let defaults = try JSONEncoder().encode(SFTConfiguration())
            var tree = try JSONDecoder().decode([String: JSONValue].self, from: defaults)
            for (key, value) in settings.sorted(by: { $0.key < $1.key }) {
                guard tree[key] != nil else {
                    throw ConfigurationError(unknown: key, suggestion: nearestName(to: key, among: Self.settingNames))
                }
                tree[key] = value
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
        try require(.perDeviceTrainBatchSize, Double(perDeviceTrainBatchSize), "must be at least 1") { $0 >= 1 }
        try require(.gradientAccumulationSteps, Double(gradientAccumulationSteps), "must be at least 1") { $0 >= 1 }
        try require(.maxLength, Double(maxLength ?? 2), "must be at least 2: one token predicts the next") { $0 >= 2 }
        try require(.learningRate, learningRate, "must be at least 0") { $0 >= 0 }
        try require(.warmupSteps, warmupSteps, "must be at least 0 (below 1 it is a share of all steps)") { $0 >= 0 }
        try require(.warmupRatio, warmupRatio, "must be from 0 to 1") { (0...1).contains($0) }
        try require(.adamBeta1, adamBeta1, "must be from 0 up to, not including, 1") { (0..<1).contains($0) }
        try require(.adamBeta2, adamBeta2, "must be from 0 up to, not including, 1") { (0..<1).contains($0) }
        try require(.adamEpsilon, adamEpsilon, "must be above 0") { $0 > 0 }
        try require(.weightDecay, weightDecay, "must be at least 0") { $0 >= 0 }
        try require(.maxGradNorm, maxGradNorm, "must be at least 0 (0 is off)") { $0 >= 0 }
        try require(.loggingSteps, loggingSteps, "must be above 0 (below 1 it is a share of all steps)") { $0 > 0 }
        try require(.saveSteps, saveSteps, "must be above 0 (below 1 it is a share of all steps)") { $0 > 0 }
        try require(.saveTotalLimit, Double(saveTotalLimit ?? 1), "must be at least 1, or null") { $0 >= 1 }
        try require(.seed, Double(seed), "must be at least 0") { $0 >= 0 }
        try require(.dataSeed, Double(dataSeed ?? 0), "must be at least 0") { $0 >= 0 }
        try require(.memoryUtilization, memoryUtilization, "must be above 0 and at most 1") { $0 > 0 && $0 <= 1 }
        if maxSteps <= 0 {
            try require(.numTrainEpochs, numTrainEpochs, "must be above 0 when max_steps is not set") { $0 > 0 }
        }
        guard !outputDir.isEmpty else {
            throw ConfigurationError(key: "output_dir", value: "''", rule: "must be a path")
        }
    }

    private func require(
        _ key: CodingKeys, _ value: Double, _ rule: String, _ holds: (Double) -> Bool
    ) throws(ConfigurationError) {
        guard value.isFinite, holds(value) else {
            let shown = Int(exactly: value).map(String.init) ?? "\(value)"
            throw ConfigurationError(key: key.rawValue, value: shown, rule: rule)
        }
    }
}
