import ApusTables

/// Which files of a folder or repository make which split of which configuration of a data set: what its README says or, without
/// that, what the names of files tell, by the rules of `datasets`.
public struct DatasetLayout: Sendable, Equatable {
    /// A split and its files, in order of their paths.
    public struct Split: Sendable, Equatable {
        /// Such as `train`.
        public let name: String
        /// Paths within the folder.
        public let files: [String]
    }

    /// A part of the data set that is chosen by name.
    public struct Configuration: Sendable, Equatable {
        /// Such as `main`.
        public let name: String
        /// Whether it is meant where nobody names one.
        public let isDefault: Bool
        /// Its splits.
        public let splits: [Split]
    }

    /// In the order of the README.
    public let configurations: [Configuration]
    /// What messages call the data set.
    private let name: String

    /// - Parameters:
    ///   - files: paths within the folder, with `/` between their parts.
    ///   - readme: the text of its README.md; nil without one.
    ///   - name: what messages call the data set.
    /// - Throws: ``DataError`` for a README that describes files in a way that cannot be read.
    public init(files: [String], readme: String? = nil, name: String) throws(DataError) {
        self.name = name
        let files = files.filter(Self.isData).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        let described = try readme.map { text throws(DataError) in
            try DatasetCard(readme: text, file: "\(name)/README.md").configurations
        }
        guard let described, !described.isEmpty else {
            configurations = [Configuration(name: "default", isDefault: true, splits: Self.splits(ofNames: files))]
                .filter { !$0.splits.isEmpty }
            return
        }
        configurations = described.map { configuration in
            Configuration(
                name: configuration.name, isDefault: configuration.isDefault || configuration.name == "default",
                splits: Self.splits(of: configuration, files))
        }
    }

    /// The layout of the branch `refs/convert/parquet`, on which the hub keeps copies of data sets: `configuration/split/0000.parquet`.
    ///
    /// - Parameter name: what messages call the data set.
    public init(convertedFiles files: [String], name: String) {
        self.name = name
        var configurations: [(name: String, splits: [(name: String, files: [String])])] = []
        for file in files.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
            let parts = file.split(separator: "/").map(String.init)
            guard parts.count == 3, RowFile.format(of: file) == "parquet" else { continue }
            if configurations.last?.name != parts[0] { configurations.append((parts[0], [])) }
            let last = configurations.count - 1
            if configurations[last].splits.last?.name != parts[1] { configurations[last].splits.append((parts[1], [])) }
            configurations[last].splits[configurations[last].splits.count - 1].files.append(file)
        }
        self.configurations = configurations.map { configuration in
            Configuration(
                name: configuration.name, isDefault: configuration.name == "default",
                splits: configuration.splits.map { Split(name: $0.name, files: $0.files) })
        }
    }

    /// Splits without a configuration.
    init(splits: [Split], name: String) {
        self.name = name
        configurations = [Configuration(name: "default", isDefault: true, splits: splits)]
    }

    /// The configuration of a name, or the one that is meant without.
    ///
    /// - Throws: ``DataError`` that lists the names there are.
    public func configuration(_ wanted: String?) throws(DataError) -> Configuration {
        guard !configurations.isEmpty else {
            throw DataError(
                .empty, file: name,
                message: "wanted files that end in .\(RowFile.extensions.joined(separator: ", .")), found none")
        }
        let found =
            if let wanted { configurations.first { $0.name == wanted } } else {
                configurations.count == 1 ? configurations[0] : configurations.first(where: \.isDefault)
            }
        if let found { return found }
        let fault =
            wanted.map { "has no configuration '\($0.onOneLine)'" } ?? "has several configurations and no default one"
        throw DataError(
            .unsupportedFormat, file: name,
            message: "\(fault); set dataset_config to one of \(Self.list(configurations.map(\.name)))")
    }

    /// The files of a split.
    ///
    /// - Throws: ``DataError`` that lists the splits there are.
    public func files(of split: String, in configuration: String?) throws(DataError) -> [String] {
        let configuration = try self.configuration(configuration)
        if let files = configuration.splits.first(where: { $0.name == split })?.files {
            try checkShards(files)
            return files
        }
        let splits = configuration.splits.map(\.name)
        let found =
            splits.isEmpty
            ? "no file that can be read"
            : "\(Self.list(splits)); choose with dataset_train_split or dataset_test_split"
        throw DataError(.empty, file: name, message: "wanted split '\(split.onOneLine)', found \(found)")
    }

    /// Refuses files that number themselves and lack one of their numbers, as where a download was left half done.
    private func checkShards(_ files: [String]) throws(DataError) {
        let present = Set(files)
        for file in files {
            guard let match = file.firstMatch(of: /-(\d{5})-of-(\d{5})/), let count = Int(match.2), count <= 100_000
            else {
                continue
            }
            // Names that go on with a checksum differ; only plain ones can be foretold.
            let (head, tail) = (file[..<match.1.startIndex], file[match.1.endIndex...])
            guard tail.firstMatch(of: /^-of-\d{5}\.[^-]*$/) != nil else { continue }
            for number in 0..<count {
                let digits = String(number)
                let wanted = head + String(repeating: "0", count: 5 - digits.count) + digits + tail
                guard present.contains(String(wanted)) else {
                    throw DataError(
                        .unreadable, file: name, message: "wanted \(count) files, found no \(wanted); download it again"
                    )
                }
            }
            return
        }
    }

    private static func list(_ names: [String]) -> String {
        names.prefix(20).map(\.onOneLine).joined(separator: ", ")
            + (names.count > 20 ? " and \(names.count - 20) more" : "")
    }
}

extension DatasetLayout {
    /// Files beside the data, by the rules of `datasets`: hidden ones, those of its own and what describes models.
    private static func isData(_ path: String) -> Bool {
        let parts = path.split(separator: "/")
        let isHidden = parts.contains { $0.hasPrefix(".") } || parts.dropLast().contains { $0.hasPrefix("__") }
        return !isHidden && !ignored.contains(String(parts.last ?? "")) && RowFile.format(of: path) != nil
    }

    private static let ignored: Set<String> = [
        "config.json", "dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json",
    ]

    /// Of files in several formats those of the commonest, so that a converted copy does not double the rows.
    private static func ofOneFormat(_ files: [String]) -> [String] {
        var counts: [String: Int] = [:]
        for file in files { if let format = RowFile.format(of: file) { counts[format, default: 0] += 1 } }
        // Where there are as many of each, the order of the list decides.
        let formats = RowFile.extensions.filter { counts[$0] != nil }
        guard let most = formats.map({ counts[$0] ?? 0 }).max(), formats.count > 1 else { return files }
        let chosen = formats.first { counts[$0] == most }
        return files.filter { RowFile.format(of: $0) == chosen }
    }

    private static func splits(of configuration: DatasetCard.Configuration, _ files: [String]) -> [Split] {
        let folder = configuration.folder.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
        let inside = folder.isEmpty ? files : files.filter { $0.hasPrefix(folder + "/") }
        guard let splits = configuration.splits else { return Self.splits(ofNames: inside) }
        return splits.map { split in
            let patterns = split.patterns.map { GlobPattern(folder.isEmpty ? $0 : "\(folder)/\($0)") }
            return Split(
                name: split.name, files: ofOneFormat(inside.filter { file in patterns.contains { $0.matches(file) } }))
        }.filter { !$0.files.isEmpty }
    }

    /// Splits by the names of files: `data/name-00000-of-00001`, else folders and then files that are called after a split,
    /// else everything is for training.
    private static func splits(ofNames all: [String]) -> [Split] {
        let files = ofOneFormat(all)
        let shards = Dictionary(grouping: files) { shardedSplit(of: $0) }
        if shards.keys.contains(where: { $0 != nil }) {
            return shards.compactMap { split, files in split.map { Split(name: $0, files: files) } }
                .sorted { order($0.name) < order($1.name) }
        }
        let inFolder = { (path: String) in path.split(separator: "/").dropLast() }
        let inName = { (path: String) in path.split(separator: "/").suffix(1) }
        for parts in [inFolder, inName] {
            let splits = keywords.map { split, words in
                Split(name: split, files: files.filter { file in parts(file).contains { calls($0, words) } })
            }.filter { !$0.files.isEmpty }
            if !splits.isEmpty { return splits }
        }
        return files.isEmpty ? [] : [Split(name: "train", files: files)]
    }

    /// Training first, then as the alphabet has them.
    private static func order(_ split: String) -> (Int, String) { (split == "train" ? 0 : 1, split) }

    /// The split of a path such as `data/train-00000-of-00012-0123abcd.parquet`.
    private static func shardedSplit(of path: String) -> String? {
        guard path.hasPrefix("data/"),
            let match = path.dropFirst(5).wholeMatch(of: /([^\/]+?)-\d{5}-of-\d{5}[^\/]*\..*/)
        else { return nil }
        return String(match.1)
    }

    private static let keywords: KeyValuePairs = [
        "train": ["train", "training"],
        "validation": ["validation", "valid", "dev", "val"],
        "test": ["test", "testing", "eval", "evaluation"],
    ]

    /// Whether a name has one of the words in it, with no letter beside it.
    private static func calls(_ name: Substring, _ words: [String]) -> Bool {
        name.split { "-._ 0123456789".contains($0) }.contains { words.contains(String($0)) }
    }
}
