import Apus

/// Where on this machine lies what the settings of a run name, by path or by name.
struct LocatedFiles: Equatable, Sendable {
    /// The model's folder or file.
    var model: String
    /// The folder of the adapter to go on from.
    var adapter: String?
    /// The rows to train on; nil for those that are built in.
    var training: RowSource?
    /// The rows to evaluate on, where the settings name some.
    var evaluation: RowSource?
}

extension RunSettings {
    /// Looks for everything that the settings name.
    ///
    /// - Parameters:
    ///   - evaluates: whether a split of the training data may be evaluated on.
    ///   - source: finds data sets, models and adapters that are not on this machine.
    /// - Throws: `DataError` or `CommandFailure` for what is not there.
    func located(evaluates: Bool, _ source: NamedFiles = .local) async throws -> RunSettings {
        var settings = self
        var files = LocatedFiles(model: try await source.model(model, revision: modelRevision), adapter: nil)
        if let adapter { files.adapter = try await source.model(adapter) }
        let references = try trainingReferences()
        if datasetRows == nil, !references.isEmpty {
            var sources: [(source: RowSource, fraction: Double?)] = []
            let test = evaluates ? try testReference() : nil
            for reference in references {
                let found = try await source.dataset(reference, others: test?.split.parts.map(\.split) ?? [])
                sources.append((try reference.rows(in: found), reference.fraction))
                // Files that are nothing but files have one split, which is trained on.
                if let test, found.layout != nil { files.evaluation = try? test.rows(in: found) }
            }
            files.training = sources.count == 1 ? sources[0].source : try RowSource(mixing: sources)
        }
        if let reference = try evaluationReference() {
            let found = try await source.dataset(reference)
            files.evaluation = try rows(of: reference, in: found)
        }
        settings.files = files
        return settings
    }

    /// What is evaluated on of a data set: where nobody names a split, that of files, or the only one.
    private func rows(of reference: DatasetReference, in dataset: LocalDataset) throws -> RowSource {
        guard testSplit == Self.standardTestSplit else { return try reference.rows(in: dataset) }
        let splits =
            try dataset.layout?.configuration(reference.configuration).splits.map(\.name) ?? [LocalDataset.fileSplit]
        guard splits.count == 1, splits != [testSplit] else { return try reference.rows(in: dataset) }
        var reference = reference
        reference.split = try SplitExpression(splits[0])
        return try reference.rows(in: dataset)
    }
}

extension RunConfiguration {
    /// The same with everything looked for that the settings name.
    ///
    /// - Parameter evaluates: whether data are evaluated on; nil for what the settings say.
    /// - Throws: `CommandFailure` with status 2 for what is not there.
    func located(evaluates: Bool? = nil, _ source: NamedFiles = .local) async throws -> RunConfiguration {
        var configuration = self
        do {
            configuration.settings = try await settings.located(
                evaluates: evaluates ?? (trainer.evalStrategy != .no), source)
        } catch {
            throw CommandFailure(.badInput, of: error)
        }
        return configuration
    }
}

extension SFTRunConfiguration {
    /// The same with everything looked for that the settings name.
    ///
    /// - Throws: `CommandFailure` with status 2 for what is not there.
    func located(_ source: NamedFiles = .local) async throws -> SFTRunConfiguration {
        var configuration = self
        do {
            configuration.run = try await run.located(evaluates: false, source)
        } catch {
            throw CommandFailure(.badInput, of: error)
        }
        return configuration
    }
}
