import Apus

extension RunSettings {
    /// How a row becomes a prompt and an answer.
    ///
    /// - Throws: `DataError` for a template that cannot be read.
    func columnMapping() throws -> ColumnMapping {
        var mapping = ColumnMapping(
            prompt: promptColumn, answer: answerColumn, systemPrompt: systemPrompt,
            answerExtraction: ColumnMapping.AnswerExtraction(rawValue: answerExtraction) ?? .none,
            templateArguments: templateArguments)
        mapping.promptTemplate = try promptTemplate.map { try RowTemplate($0) }
        mapping.answerTemplate = try answerTemplate.map { try RowTemplate($0, key: "answer_template") }
        mapping.rowFilter = try rowFilter.map { try RowTemplate(condition: $0) }
        return mapping
    }

    /// The rows to train on.
    var trainingRows: RowSource { files?.training ?? RowSource(path: dataset) }

    /// The rows to evaluate on; nil where nothing names any.
    var evaluationRows: RowSource? {
        files?.evaluation ?? evaluationDataset.map { RowSource(path: $0) }
    }

    /// The data sets to train on, as they are named; empty for the problems that are built in.
    ///
    /// - Throws: `DataError` for a split or an entry that cannot be read, `SettingError` for data named twice.
    func trainingReferences() throws -> [DatasetReference] {
        if !datasets.isEmpty {
            guard dataset == Self.builtInDataset else {
                throw SettingError("datasets: names the data, and dataset_name does too; keep one of them")
            }
            return try datasets.enumerated().map { try DatasetReference($1, number: $0 + 1) }
        }
        guard hasDataset else { return [] }
        return [
            DatasetReference(
                dataset, configuration: datasetConfiguration,
                split: try SplitExpression(trainSplit, name: "dataset_train_split"))
        ]
    }

    /// The data set of its own that is evaluated on; nil for none, and for the problems that are built in.
    ///
    /// - Throws: `DataError` for a split that cannot be read.
    func evaluationReference() throws -> DatasetReference? {
        guard let evaluationDataset, evaluationDataset != Self.builtInDataset else { return nil }
        // The parts of another data set have other names.
        let configuration = evaluationDataset == dataset ? datasetConfiguration : nil
        return DatasetReference(evaluationDataset, configuration: configuration, split: try testSplitExpression())
    }

    /// The split of the training data that is evaluated on, where no data set is named for that.
    func testReference() throws -> DatasetReference? {
        guard evaluationDataset == nil, evaluationSize == nil, datasets.isEmpty, hasDataset else { return nil }
        return DatasetReference(dataset, configuration: datasetConfiguration, split: try testSplitExpression())
    }

    private func testSplitExpression() throws -> SplitExpression {
        try SplitExpression(testSplit, name: "dataset_test_split")
    }

    /// Checks what is written of data, before anything is looked for.
    ///
    /// - Throws: `SettingError` with the place of the key.
    func checkData(_ given: [String: SettingResolution.Assignment]) throws {
        try check("dataset_train_split", given) { _ = try SplitExpression(trainSplit) }
        try check("dataset_test_split", given) { _ = try SplitExpression(testSplit) }
        try check("datasets", given) { _ = try trainingReferences() }
        let templates = ["prompt_template": promptTemplate, "answer_template": answerTemplate]
        for (key, source) in templates.sorted(by: { $0.key < $1.key }) {
            try check(key, given) { _ = try source.map { try RowTemplate($0, key: key) } }
        }
        try check("row_filter", given) { _ = try rowFilter.map { try RowTemplate(condition: $0) } }
        if promptTemplate != nil, given["prompt_column"] != nil {
            throw SettingError("prompt_template: makes the prompt, and prompt_column names one; keep one of them")
        }
        if answerTemplate != nil, given["answer_column"] != nil || answerExtraction != "none" {
            throw SettingError(
                "answer_template: makes the answer; leave out answer_column and answer_extraction")
        }
    }

    private func check(
        _ key: String, _ given: [String: SettingResolution.Assignment], _ body: () throws -> Void
    ) throws {
        do {
            try body()
        } catch let error as DataError {
            let entry = error.line.map { "entry \($0): " } ?? ""
            throw given[key].map { SettingError($0.written, entry + error.message) }
                ?? SettingError("\(key): \(entry)\(error.message)")
        }
    }
}
