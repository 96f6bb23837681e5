import ApusTables

/// A data set and what of it is meant, under the names of TRL's `DatasetConfig`, which are those of `load_dataset`.
public struct DatasetReference: Sendable, Equatable {
    /// A file, a folder, a pattern such as `data/*.jsonl`, or the name of a data set on the hub.
    public var path: String
    /// The configuration, `name` elsewhere; nil for the default one.
    public var configuration: String?
    /// The folder within the data set that its files are in, `data_dir` elsewhere; nil for all of it.
    public var folder: String?
    /// Paths or patterns of files, `data_files` elsewhere; empty for those that the data set's layout says.
    public var files: [String]
    /// Which splits, and what of them.
    public var split: SplitExpression
    /// The columns that are kept; nil for all.
    public var columns: [String]?
    /// Its share of a mixture; nil for all of its rows.
    public var fraction: Double?

    /// A data set.
    public init(
        _ path: String, configuration: String? = nil, folder: String? = nil, files: [String] = [],
        split: SplitExpression, columns: [String]? = nil, fraction: Double? = nil
    ) {
        self.path = path
        self.configuration = configuration
        self.folder = folder
        self.files = files
        self.split = split
        self.columns = columns
        self.fraction = fraction
    }

    /// The kinds of files that `load_dataset` takes in the place of a data set's name, with `data_files`.
    private static let builders: Set<String> = ["json", "csv", "parquet", "arrow"]

    /// The data set on this machine; nil where its path is nothing here, which may be a name on the hub.
    ///
    /// - Throws: ``DataError`` for a data file by its name that is not there, and for a damaged description of files.
    public func local() throws(DataError) -> LocalDataset? {
        if Self.builders.contains(path), !files.isEmpty { return try LocalDataset(patterns: files, name: path) }
        guard LocalDataset.exists(path) || RowFile.format(of: path) != nil else { return nil }
        return try within(path, name: path)
    }

    /// The data set in a folder on this machine, with its `data_dir` and `data_files` there.
    ///
    /// - Parameter name: what messages call it.
    /// - Throws: ``DataError`` where nothing is there.
    public func within(_ path: String, name: String) throws(DataError) -> LocalDataset {
        let path = folder.map { "\(path)/\($0)" } ?? path
        guard !files.isEmpty else { return try LocalDataset(path: path, name: name) }
        return try LocalDataset(patterns: files.map { $0.hasPrefix("/") ? $0 : "\(path)/\($0)" }, name: name)
    }

    /// The rows that are meant, out of the data set on this machine.
    ///
    /// - Throws: ``DataError`` for a configuration or split that is not there.
    public func rows(in dataset: LocalDataset) throws(DataError) -> RowSource {
        try dataset.rows(configuration: configuration, split: split, columns: columns)
    }

    /// The files among these that `data_files` names; nil where it names none, and the layout says.
    ///
    /// - Throws: ``DataError`` where a pattern names nothing.
    public func chosen(among paths: [String]) throws(DataError) -> [String]? {
        guard !files.isEmpty else { return nil }
        var chosen: [String] = []
        for pattern in files {
            let glob = GlobPattern(pattern)
            let found = paths.filter { $0 == pattern || glob.matches($0) }
            guard !found.isEmpty else {
                throw DataError(
                    .unreadable, file: path, message: "wanted files '\(pattern.onOneLine)', found none; see data_files")
            }
            chosen += found.filter { !chosen.contains($0) }
        }
        return chosen
    }
}

extension DatasetReference {
    private static let keys = ["path", "name", "data_dir", "data_files", "split", "columns", "fraction"]

    /// Reads an entry of TRL's list `datasets`.
    ///
    /// - Throws: ``DataError`` naming the entry.
    public init(_ entry: JSONValue, number: Int) throws(DataError) {
        let place = RowPlace(file: "datasets", .line(number))
        guard let members = entry.object else {
            throw place.error(.wrongType, "wanted a mapping such as {path: data.jsonl}, found \(entry.kindName)")
        }
        if let unknown = members.keys.sorted().first(where: { !Self.keys.contains($0) }) {
            throw place.error(
                .wrongType, "has no key '\(unknown.onOneLine)'; there are \(Self.keys.joined(separator: ", "))")
        }
        func text(_ key: String) throws(DataError) -> String? {
            switch members[key] {
            case nil, .null?: return nil
            case .string(let text)?: return text
            case let other?: throw place.error(.wrongType, "wanted text for \(key), found \(other.kindName)")
            }
        }
        func texts(_ key: String) throws(DataError) -> [String]? {
            guard case .array(let items)? = members[key] else { return try text(key).map { [$0] } }
            let texts = items.compactMap(\.string)
            guard texts.count == items.count else {
                throw place.error(.wrongType, "wanted a list of texts for \(key), found other values in it")
            }
            return texts
        }
        guard let path = try text("path") else {
            throw place.error(.missingColumn, "wanted a path, found \(members.keys.sorted().joined(separator: ", "))")
        }
        self.init(
            path, configuration: try text("name"), folder: try text("data_dir"), files: try texts("data_files") ?? [],
            split: try Self.split(text("split"), at: place),
            columns: try texts("columns"), fraction: try Self.fraction(members["fraction"], at: place))
    }

    private static func split(_ text: String?, at place: RowPlace) throws(DataError) -> SplitExpression {
        do throws(DataError) {
            return try SplitExpression(text ?? LocalDataset.fileSplit)
        } catch {
            throw place.error(error.code, "split: \(error.message)")
        }
    }

    private static func fraction(_ value: JSONValue?, at place: RowPlace) throws(DataError) -> Double? {
        guard let value, value != .null else { return nil }
        guard let share = value.number, share > 0, share.isFinite else {
            throw place.error(.wrongType, "wanted a number above 0 for fraction, found \(value.brief)")
        }
        return share
    }
}

extension RowSource {
    /// Data sets one after another. Where they have fractions, as many of the first rows of each as make these its shares, and
    /// no row twice.
    ///
    /// - Throws: ``DataError`` where only some have a fraction, and for data that cannot be counted.
    public init(mixing sources: [(source: RowSource, fraction: Double?)]) throws(DataError) {
        let name = sources.map(\.source.name).joined(separator: " + ")
        let fractions = sources.compactMap(\.fraction)
        guard !fractions.isEmpty else {
            self.init(name: name, parts: sources.flatMap(\.source.parts))
            return
        }
        guard fractions.count == sources.count else {
            throw DataError(
                .missingColumn, file: "datasets",
                message: "wanted fraction in all entries or in none, found it in \(fractions.count) of \(sources.count)"
            )
        }
        let whole = fractions.reduce(0, +)
        var counts: [Int] = []
        for (source, _) in sources { counts.append(try source.count()) }
        let total = zip(counts, fractions).map { Double($0) / ($1 / whole) }.min() ?? 0
        var parts: [Part] = []
        for ((source, _), (count, fraction)) in zip(sources, zip(counts, fractions)) {
            let kept = (fraction / whole * total).rounded(.toNearestOrEven).wholeNumber(in: 0...count)
            parts += try source.prefix(kept)
        }
        self.init(name: name, parts: parts)
    }

    /// The first rows.
    private func prefix(_ limit: Int) throws(DataError) -> [Part] {
        var left = limit
        var kept: [Part] = []
        for part in parts where left > 0 {
            let range = part.slice.range(of: try part.count()).prefix(left)
            left -= range.count
            var part = part
            part.slice = RowSlice(from: .rows(range.lowerBound), to: .rows(range.upperBound))
            if !range.isEmpty { kept.append(part) }
        }
        return kept
    }
}
