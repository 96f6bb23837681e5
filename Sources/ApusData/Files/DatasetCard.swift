import ApusTables
internal import Yams

/// What the README of a data set says about its files: the list `configs` before its text, as `datasets` reads it.
struct DatasetCard: Equatable {
    /// A part of the data set that is chosen by name, such as a language.
    struct Configuration: Equatable {
        var name: String
        var isDefault: Bool
        /// The folder that patterns start from; empty for the whole data set.
        var folder: String
        /// Patterns of files by split, in order; nil where names of files tell.
        var splits: [(name: String, patterns: [String])]?

        static func == (one: Self, other: Self) -> Bool {
            one.name == other.name && one.isDefault == other.isDefault && one.folder == other.folder
                && one.splits?.map(\.name) == other.splits?.map(\.name)
                && one.splits?.map(\.patterns) == other.splits?.map(\.patterns)
        }
    }

    /// In their order; empty where the README says nothing about files.
    let configurations: [Configuration]

    /// A longer beginning is no description of files.
    private static let sizeLimit = 4 << 20

    /// Reads the part between two lines of `---` at the beginning of a README.
    ///
    /// - Parameter file: what messages call it.
    /// - Throws: ``DataError`` for a list that is no list of configurations.
    init(readme text: String, file: String) throws(DataError) {
        guard let header = Self.header(of: text), let root = Self.root(of: header),
            let configurations = root["configs"]?.sequence
        else {
            self.configurations = []
            return
        }
        var results: [Configuration] = []
        for node in configurations {
            guard let configuration = Self.configuration(node) else {
                throw DataError(
                    .damaged, file: file,
                    message:
                        "wanted configs with config_name and data_files (a path, a list of paths, or a list of split "
                        + "and path), found something else as entry \(results.count + 1)")
            }
            results.append(configuration)
        }
        self.configurations = results
    }

    private static func header(of text: String) -> String? {
        guard text.utf8.count <= sizeLimit else { return nil }
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        guard lines.first == "---", let end = lines.dropFirst().firstIndex(of: "---") else { return nil }
        return lines[1..<end].joined(separator: "\n")
    }

    /// A README that is no YAML describes no files, as for `datasets`.
    private static func root(of header: String) -> Node? { try? Yams.compose(yaml: header) }

    private static func configuration(_ node: Node) -> Configuration? {
        guard let name = node["config_name"]?.string else { return nil }
        var configuration = Configuration(
            name: name, isDefault: node["default"]?.bool ?? false, folder: node["data_dir"]?.string ?? "")
        guard let files = node["data_files"] else { return configuration }
        guard let splits = splits(files) else { return nil }
        configuration.splits = splits
        return configuration
    }

    private static func splits(_ files: Node) -> [(name: String, patterns: [String])]? {
        if let path = files.string { return [("train", [path])] }
        guard let entries = files.sequence, !entries.isEmpty else { return nil }
        let paths = entries.compactMap(\.string)
        if paths.count == entries.count { return [("train", paths)] }
        var splits: [(name: String, patterns: [String])] = []
        for entry in entries {
            guard let split = entry["split"]?.string, let patterns = entry["path"].flatMap(patterns) else { return nil }
            splits.append((split, patterns))
        }
        return splits
    }

    private static func patterns(_ path: Node) -> [String]? {
        if let path = path.string { return [path] }
        guard let paths = path.sequence?.map(\.string), !paths.contains(nil) else { return nil }
        return paths.compactMap(\.self)
    }
}
