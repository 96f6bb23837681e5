public import ApusData
import ApusFormats
public import ApusText
import Foundation

/// The user's own code for data: rows without a file, a change of each row, and which rows stay.
public struct DataFunctions: Sendable, Equatable {
    /// Gives rows, in the place of a file.
    package var rows: PythonFunction?
    /// Changes a row, as `datasets.map` does.
    package var map: PythonFunction?
    /// Says which rows stay, after the change.
    package var filter: PythonFunction?

    /// Functions by their places (`data.py:to_prompt`); nil where there is none.
    ///
    /// - Parameter folders: where files are looked for, one after the other.
    /// - Throws: ``PythonLoadError`` for what is no place of a function, or a file that is not there.
    public init(
        rows: String? = nil, map: String? = nil, filter: String? = nil, in folders: [String] = [""]
    ) throws(PythonLoadError) {
        func function(_ text: String?, _ key: String) throws(PythonLoadError) -> PythonFunction? {
            guard let text else { return nil }
            guard let function = PythonFunction(text) else {
                throw PythonLoadError(reason: "\(key): '\(text)' is no function; give file.py:function")
            }
            do {
                return try function.resolved(in: folders)
            } catch {
                throw PythonLoadError(reason: "\(key): '\(text)' \(error)")
            }
        }
        self.rows = try function(rows, "dataset_rows")
        self.map = try function(map, "dataset_map")
        self.filter = try function(filter, "dataset_filter")
    }

    /// The functions' places, with the paths of their files as they were found.
    public var places: (rows: String?, map: String?, filter: String?) { (rows?.text, map?.text, filter?.text) }

    /// Whether there is nothing to do.
    public var isEmpty: Bool { all.isEmpty }

    /// The functions with what they are for.
    var byRole: [(String, PythonFunction?)] { [("rows", rows), ("map", map), ("filter", filter)] }

    /// The functions in the order in which they run.
    package var all: [PythonFunction] { [rows, map, filter].compactMap(\.self) }

    /// Makes the rows of a data set.
    ///
    /// - Parameters:
    ///   - given: the rows of a file; nil where a function gives them.
    ///   - name: what messages call them.
    ///   - cache: where rows are kept, and the name of the tokenizer that they may depend on; nil makes them anew.
    ///   - tokenizer: makes the one that functions with a parameter `tokenizer` get.
    ///   - progress: hears how many rows are made.
    /// - Throws: ``PythonLoadError`` or ``DataFunctionError``.
    public func rows(
        from given: [JSONValue]?, name: String, options: PythonOptions = PythonOptions(),
        cache: (rows: RowCache, tokenizer: String)? = nil,
        tokenizer: @escaping @Sendable () throws -> Tokenizer, progress: @Sendable (Int) -> Void = { _ in }
    ) async throws -> [JSONValue] {
        let key = cache.flatMap { $0.rows.key(self, of: given, tokenizer: $0.tokenizer) }
        if let key, let kept = cache?.rows.rows(key) { return kept }
        let made = try await makeRows(from: given, name: name, options: options, tokenizer, progress)
        if let key { cache?.rows.keep(made, as: key) }
        return made
    }

    private func makeRows(
        from given: [JSONValue]?, name: String, options: PythonOptions,
        _ tokenizer: @escaping @Sendable () throws -> Tokenizer, _ progress: @Sendable (Int) -> Void
    ) async throws -> [JSONValue] {
        let run = DataFunctionRun(self, name: name, options: options, tokenizer)
        defer { run.stop() }
        do {
            try await run.start()
            let all = if let given { given } else { try await run.giveRows(progress) }
            return try await run.change(all, progress)
        } catch let failure as WorkerFailure {
            throw DataFunctionError(reason: "\(name): the data functions' process \(failure)")
        }
    }
}

/// A row that the user's code fails on.
public struct DataFunctionError: Error, CustomStringConvertible, Sendable, Equatable {
    let reason: String

    /// The place of the row, the function, and what it did, in one line.
    public var description: String { reason.split(whereSeparator: \.isNewline).joined(separator: " ") }
}

/// One pass of rows through the functions.
private struct DataFunctionRun {
    private let functions: DataFunctions
    private let worker: PythonWorker
    private let name: String
    private let answers: TokenizerAnswers

    /// Rows that go to the process at a time.
    private static let batch = 256
    /// A function that goes on giving rows has to stop somewhere.
    private static let rowLimit = 10_000_000

    init(
        _ functions: DataFunctions, name: String, options: PythonOptions,
        _ tokenizer: @escaping @Sendable () throws -> Tokenizer
    ) {
        self.functions = functions
        self.name = name
        answers = TokenizerAnswers(tokenizer)
        worker = PythonWorker(functions: functions.all, calls: PackageResources.data_calls_py, options: options)
    }

    func start() async throws { try await worker.start() }
    func stop() { worker.stop() }

    /// The rows of the function that gives them.
    func giveRows(_ progress: @Sendable (Int) -> Void) async throws -> [JSONValue] {
        guard let function = functions.rows else { return [] }
        var rows: [JSONValue] = []
        while rows.count < Self.rowLimit {
            let reply = try await call(["call": "rows", "function": 0, "count": .integer(Self.batch)])
            if let failure = reply["failed"]?.string {
                throw DataFunctionError(reason: "dataset_rows: \(function.text), row \(rows.count + 1): \(failure)")
            }
            let more = reply["rows"]?.array ?? []
            if more.isEmpty { break }
            rows += more
            progress(rows.count)
        }
        return rows
    }

    /// The rows after `map` and `filter`.
    func change(_ rows: [JSONValue], _ progress: @Sendable (Int) -> Void) async throws -> [JSONValue] {
        guard functions.map != nil || functions.filter != nil else { return rows }
        func place(_ function: PythonFunction?) -> JSONValue {
            function.flatMap { functions.all.firstIndex(of: $0) }.map(JSONValue.integer) ?? .null
        }
        var changed: [JSONValue] = []
        for first in stride(from: 0, to: rows.count, by: Self.batch) {
            let part = Array(rows[first..<min(first + Self.batch, rows.count)])
            let reply = try await call([
                "call": "change", "map": place(functions.map), "filter": place(functions.filter),
                "first": .integer(first), "rows": .array(part),
            ])
            if let failure = reply["failed"]?.string {
                let names = [functions.map, functions.filter].compactMap(\.self).map(\.text).joined(separator: ", ")
                let row = first + (reply["row"]?.integer ?? 0) + 1
                throw DataFunctionError(reason: "\(name), row \(row): \(names) \(failure)")
            }
            changed += (reply["rows"]?.array ?? []).flatMap { $0.array ?? [] }
            progress(first + part.count)
        }
        return changed
    }

    private func call(_ request: JSONValue) async throws -> JSONValue {
        let answers = answers
        let reply = try await worker.call(
            Data(JSONWriter.ordered.write(request).utf8), answering: { answers.answer($0) })
        do {
            return try JSONValue(json: reply)
        } catch {
            throw WorkerFailure.garbled("\(error.message) at byte \(error.offset)")
        }
    }
}
