import Apus

extension RunConfiguration {
    /// How many held-out problems of the built-in kind an evaluation takes when nobody says.
    static let builtInEvaluationSize = 256

    /// The seed of the built-in evaluation problems: the same problems for every run, whatever its seed.
    private static let evaluationSeed: UInt64 = 777

    /// The data to train on and, when the run evaluates, the data for that.
    ///
    /// - Parameter rows: what the user's functions made; nil where there are none.
    /// - Throws: `DataError`, or `SettingError` for an evaluation without data.
    func makeDatasets(_ rows: MadeRows? = nil) throws -> (training: Dataset, evaluation: Dataset?) {
        let training = try makeTrainingDataset(rows)
        guard trainer.evalStrategy != .no else { return (training, nil) }
        if settings.evaluationDataset == nil, !isBuiltIn, let size = settings.evaluationSize {
            return try training.splittingOff(size, seed: trainer.dataSeed ?? trainer.seed)
        }
        return (training, try makeEvaluationDataset(size: settings.evaluationSize, rows))
    }

    /// The data that an evaluation on its own takes: what a run would evaluate on, or without that the whole file.
    ///
    /// - Parameter count: how many problems, where these are not what a run splits off its data; nil for as many as a run's
    ///   evaluation asks.
    /// - Throws: `DataError`.
    func makeDatasetToEvaluate(count: Int?, _ rows: MadeRows?) throws -> Dataset {
        guard settings.evaluationRows == nil, !isBuiltIn else {
            return try makeEvaluationDataset(size: count.map(Double.init) ?? settings.evaluationSize, rows)
        }
        let whole = try makeTrainingDataset(rows)
        guard let size = settings.evaluationSize else { return whole }
        return try whole.splittingOff(size, seed: trainer.dataSeed ?? trainer.seed).evaluation
    }

    /// The data to train on, the part that `eval_size` splits off included.
    private func makeTrainingDataset(_ rows: MadeRows?) throws -> Dataset {
        if let rows {
            return try Dataset(rows: rows.training, name: settings.dataName, mapping: settings.columnMapping())
        }
        if isBuiltIn {
            return .arithmetic(
                count: settings.datasetSize, seed: UInt64(trainer.seed), systemPrompt: settings.systemPrompt)
        }
        return try Dataset(settings.trainingRows, mapping: settings.columnMapping())
    }

    /// Whether training is on the problems that are built in.
    private var isBuiltIn: Bool { !settings.hasDataset && settings.datasetRows == nil }

    /// More problems than any evaluation asks, and few enough to be held.
    private static let evaluationLimit = 10_000_000

    /// The data set of its own that an evaluation takes: what `eval_dataset_name` names, the test split of the training data,
    /// or held-out problems.
    private func makeEvaluationDataset(size: Double?, _ rows: MadeRows?) throws -> Dataset {
        if (settings.evaluationDataset ?? (isBuiltIn ? RunSettings.builtInDataset : "")) == RunSettings.builtInDataset {
            return .arithmetic(
                count: size.map { $0.wholeNumber(in: 1...Self.evaluationLimit) } ?? Self.builtInEvaluationSize,
                seed: Self.evaluationSeed, heldOut: true, systemPrompt: settings.systemPrompt)
        }
        guard let source = settings.evaluationRows else {
            throw SettingError(
                "eval_strategy: '\(trainer.evalStrategy.rawValue)' needs data: give eval_dataset_name, or eval_size to split "
                    + "rows off \(settings.dataName)")
        }
        let mapping = try settings.columnMapping()
        let dataset =
            if let made = rows?.evaluation { try Dataset(rows: made, name: source.name, mapping: mapping) } else {
                try Dataset(source, mapping: mapping)
            }
        guard let size else { return dataset }
        return Dataset(samples: Array(dataset.samples.prefix(size.wholeNumber(in: 1...Self.evaluationLimit))))
    }
}
