import Apus
import Foundation

extension RunSettings {
    /// The Python that the user's functions and trackers run in.
    var interpreter: String { python ?? PythonOptions.defaultInterpreter }

    /// How the user's functions in Python are run.
    ///
    /// - Parameter source: what stands before the lines that they print.
    func pythonOptions(_ source: String) -> PythonOptions {
        PythonOptions(
            interpreter: python, workers: rewardWorkers, timeout: .seconds(within: rewardTimeout),
            memoryLimit: rewardMemoryLimit > 0
                ? (rewardMemoryLimit * 0x1p30).wholeNumber(in: 1...1 << 62) : nil,
            loadTimeout: .seconds(within: max(120, rewardTimeout)), onOutput: { Terminal.printOutput($0, of: source) })
    }

    /// Checks what the data functions name, and puts in the paths of their files as they are found.
    ///
    /// - Throws: `SettingError` for what is no function, or does not go together.
    mutating func resolveDataFunctions(in folder: String?) throws {
        let functions: DataFunctions
        do {
            functions = try DataFunctions(
                rows: datasetRows, map: datasetMap, filter: datasetFilter, in: [folder, ""].compactMap(\.self))
        } catch {
            throw SettingError(error.description)
        }
        (datasetRows, datasetMap, datasetFilter) = functions.places
        let isFile = hasDataset
        if datasetRows != nil, isFile {
            throw SettingError("dataset_rows: gives the rows in the place of a file; leave out dataset_name")
        }
        guard functions.isEmpty || datasetRows != nil || isFile else {
            throw SettingError("dataset_map: needs rows: give dataset_name or dataset_rows")
        }
    }
}

/// The rows that the user's functions made.
struct MadeRows {
    /// Those to train on.
    var training: [JSONValue]
    /// Those of the file that is evaluated on, if there is one.
    var evaluation: [JSONValue]?

    /// Runs the data functions, with progress; nil where there are none.
    ///
    /// - Throws: `CommandFailure` with status 2.
    init?(_ settings: RunSettings) async throws {
        let functions = try failing(as: .badInput) {
            try DataFunctions(rows: settings.datasetRows, map: settings.datasetMap, filter: settings.datasetFilter)
        }
        guard !functions.isEmpty else { return nil }
        let source = settings.datasetRows == nil ? settings.trainingRows : nil
        training = try await Self.rows(functions, of: source, settings)
        if settings.evaluationDataset != RunSettings.builtInDataset, let source = settings.evaluationRows {
            evaluation = try await Self.rows(functions, of: source, settings)
        }
    }

    /// Rows are kept beside the weights, and may depend on the model's tokenizer.
    private static func cache(_ settings: RunSettings) -> (rows: RowCache, tokenizer: String)? {
        guard settings.usesWeightCache, let weights = WeightCache.standard else { return nil }
        let directory = URL(filePath: weights.directory, directoryHint: .isDirectory).appending(path: "rows")
        return (RowCache(directory: directory), tokenizerName(of: settings.modelPath))
    }

    /// The model's path with size and time of the files that its tokenizer is read from.
    private static func tokenizerName(of model: String) -> String {
        let names = ["", "/tokenizer.json", "/tokenizer_config.json", "/chat_template.jinja"]
        return names.map { name in
            let facts = try? FileManager.default.attributesOfItem(atPath: model + name)
            return "\(model)\(name) \(facts?[.size] ?? 0) \(facts?[.modificationDate] ?? "")"
        }.joined(separator: "\n")
    }

    private static func rows(
        _ functions: DataFunctions, of source: RowSource?, _ settings: RunSettings
    ) async throws -> [JSONValue] {
        defer { Terminal.clearTransientLine() }
        let name = source?.name ?? settings.dataName
        let given = try source.map { source in try failing(as: .badInput) { try Dataset.rows(of: source) } }
        let model = settings.modelPath
        let rows: [JSONValue]
        do {
            rows = try await functions.rows(
                from: given, name: name, options: settings.pythonOptions("data"), cache: cache(settings),
                tokenizer: { try LanguageModel.tokenizer(path: model) },
                progress: { Terminal.showTransient("making rows of \(name): \($0)") })
        } catch {
            throw CommandFailure(.badInput, "\(error)")
        }
        guard !rows.isEmpty else {
            throw CommandFailure(.badInput, "\(name): the data functions leave no row; see dataset_filter")
        }
        Terminal.printLine("rows     \(rows.count) of \(name)")
        return rows
    }
}
