public import ApusData
import Foundation

extension GRPOConfiguration {
    /// The defaults with some settings laid over them.
    ///
    /// Numbers may be written as strings (YAML reads `1e-6` as one), booleans and names as TRL takes them.
    /// - Throws: ``ConfigurationError`` for an unknown key, a wrong type or a broken rule.
    public init(settings: [String: JSONValue]) throws(ConfigurationError) {
        var tree = [String: JSONValue](settingsOf: GRPOConfiguration())
        for (key, value) in settings.sorted(by: { $0.key < $1.key }) {
            guard tree[key] != nil else {
                throw ConfigurationError(unknown: key, suggestion: nearestName(to: key, among: Self.settingNames))
            }
            tree[key] = try Self.checked(value, key: key)
        }
        do {
            let data = try JSONEncoder().encode(tree)
            self = try JSONDecoder().decode(GRPOConfiguration.self, from: data)
        } catch {
            throw Self.configurationError(error, tree: tree)
        }
        try validate()
    }

    /// Every key that a configuration may hold.
    public static var settingNames: [String] { CodingKeys.allCases.map(\.rawValue) }

    private static let integerKeys: Set<CodingKeys> = [
        .perDeviceTrainBatchSize, .gradientAccumulationSteps, .numGenerations, .generationBatchSize,
        .stepsPerGeneration, .numIterations, .maxCompletionLength, .maxPromptLength, .topK, .maxSteps,
        .saveTotalLimit, .seed, .dataSeed, .maxSkippedSteps, .perDeviceEvalBatchSize, .numGenerationsEval,
        .numCompletionsToPrint, .stopAfterEqualRewards, .rewardFailureBatches, .maxNumGenBatches,
    ]

    private static let nonNumericKeys: Set<CodingKeys> = [
        .rewardWeights, .lossType, .importanceSamplingLevel, .scaleRewards, .multiObjectiveAggregation,
        .lrSchedulerType, .outputDir, .saveStrategy, .evalStrategy, .resumeFromCheckpoint, .onSaveFailure, .reportTo,
        .loggingDir, .rewardFailure, .overlongPrompts, .onNotFinite, .metricForBestModel,
    ]

    /// Reads a string as a number where the setting is one, and refuses numbers that JSON or the setting cannot hold. Other
    /// mismatches pass, for the decoder to find.
    private static func checked(_ value: JSONValue, key: String) throws(ConfigurationError) -> JSONValue {
        if key == CodingKeys.resumeFromCheckpoint.rawValue { return value.checkpointPath }
        if key == CodingKeys.reportTo.rawValue { return try ReportTarget.names(value) }
        guard let codingKey = CodingKeys(rawValue: key), !nonNumericKeys.contains(codingKey) else { return value }
        var value = value
        if case .string(let text) = value, let number = Double(text) { value = .number(number) }
        guard case .number(let number) = value else { return value }
        let isWhole = number == number.rounded() && abs(number) < 0x1p53
        guard number.isFinite, isWhole || !integerKeys.contains(codingKey) else {
            throw ConfigurationError(key: key, value: describe(value), rule: rule(for: codingKey))
        }
        return value
    }

    private static func configurationError(_ error: any Error, tree: [String: JSONValue]) -> ConfigurationError {
        let path: [any CodingKey] =
            switch error {
            case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
                DecodingError.dataCorrupted(let context):
                context.codingPath
            default: []
            }
        guard let key = path.first.flatMap({ CodingKeys(rawValue: $0.stringValue) }) else {
            return ConfigurationError(key: "configuration", value: "\(error)", rule: "cannot be read")
        }
        let value = tree[key.rawValue].map(describe) ?? "null"
        return ConfigurationError(key: key.rawValue, value: value, rule: rule(for: key))
    }

    private static func rule(for key: CodingKeys) -> String {
        switch key {
        case .lossType: choices(LossType.self)
        case .importanceSamplingLevel: choices(ImportanceSamplingLevel.self)
        case .scaleRewards: choices(RewardScaling.self)
        case .rewardFailure: choices(RewardFailurePolicy.self)
        case .overlongPrompts: choices(OverlongPromptPolicy.self)
        case .onNotFinite: choices(NotFiniteResponse.self)
        case .multiObjectiveAggregation: choices(RewardAggregation.self)
        case .lrSchedulerType: choices(ScheduleKind.self)
        case .saveStrategy: choices(SaveStrategy.self)
        case .onSaveFailure: choices(SaveFailureResponse.self)
        case .evalStrategy: choices(EvaluationStrategy.self)
        case .outputDir, .resumeFromCheckpoint, .loggingDir: "must be a path"
        case .reportTo: "must be tensorboard, none, all, or a list of these"
        case .rewardWeights: "must be a list of numbers"
        case .metricForBestModel: "must be the name of a metric, or null for the reward"
        case let key where integerKeys.contains(key): "must be a whole number"
        case .useBiasCorrectionKL, .maskTruncatedCompletions, .useAdaptiveEntropy, .loggingFirstStep, .shuffleDataset,
            .disableDropout, .syncRefModel, .strictBatchSize, .saveOnlyModel, .forceResume, .evalOnStart,
            .gradientCheckpointing, .logCompletions, .logUniquePrompts, .loadBestModelAtEnd, .greaterIsBetter,
            .dynamicSampling, .selectiveRollout:
            "must be true or false"
        default: "must be a finite number"
        }
    }

    private static func choices<Choice: CaseIterable & RawRepresentable<String>>(_ type: Choice.Type) -> String {
        "must be one of " + type.allCases.map(\.rawValue).joined(separator: ", ")
    }

    private static func describe(_ value: JSONValue) -> String {
        switch value {
        case .null: "null"
        case .bool(let flag): "\(flag)"
        case .number(let number): number == number.rounded() && abs(number) < 1e15 ? "\(Int(number))" : "\(number)"
        case .string(let text): "'\(text)'"
        case .array(let values): "[" + values.map(describe).joined(separator: ", ") + "]"
        case .object: "a mapping"
        }
    }
}
