import ApusFormats
import ApusTables
public import Foundation

/// A data set on this machine: a file, files that a pattern names, a folder of files as repositories have them, or one that
/// `save_to_disk` wrote.
public struct LocalDataset: Sendable, Equatable {
    /// Where its splits are.
    private enum Form: Equatable {
        /// Files that are one split, which is called `train`.
        case files([String])
        /// Paths within a folder.
        case folder(URL, DatasetLayout)
    }

    /// The split of files that are nothing but files, as `datasets` calls it.
    public static let fileSplit = "train"

    /// As it was given.
    public let name: String
    private let form: Form

    /// - Parameters:
    ///   - path: a file, a folder, or a pattern such as `data/*.jsonl`.
    ///   - name: what messages call it; nil for the path.
    /// - Throws: ``DataError`` where nothing is there, or nothing that can be read.
    public init(path: String, name: String? = nil) throws(DataError) {
        self.name = name ?? path
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) {
            form =
                isFolder.boolValue
                ? .folder(URL(filePath: path, directoryHint: .isDirectory), try Self.layout(of: path, self.name))
                : .files([path])
        } else if GlobPattern.isPattern(path) {
            form = .files(try Self.files(matching: path))
        } else {
            throw DataError(
                .unreadable, file: self.name,
                message: "wanted a data file or a folder of them, found nothing; check the path")
        }
    }

    /// Files of a folder whose layout is known from elsewhere.
    ///
    /// - Parameter folder: what the layout's paths start from.
    public init(folder: URL, layout: DatasetLayout, name: String) {
        self.name = name
        form = .folder(folder, layout)
    }

    /// Files that are one split.
    public init(files: [String], name: String) {
        self.name = name
        form = .files(files)
    }

    /// Whether a path is a file, a folder, or a pattern that may name some.
    static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: path) || GlobPattern.isPattern(path)
    }

    /// Files of a folder, which a pattern for each of them names: TRL's `data_files`.
    ///
    /// - Throws: ``DataError`` where a pattern names nothing.
    public init(patterns: [String], name: String) throws(DataError) {
        self.name = name
        var paths: [String] = []
        for pattern in patterns {
            paths += FileManager.default.fileExists(atPath: pattern) ? [pattern] : try Self.files(matching: pattern)
        }
        form = .files(paths)
    }

    /// The rows that an expression means.
    ///
    /// - Parameters:
    ///   - configuration: the part of the data set; nil for its default.
    ///   - split: which splits, and what of them.
    /// - Throws: ``DataError`` for a configuration or split that is not there, which lists those that are.
    public func rows(
        configuration: String? = nil, split: SplitExpression, columns: [String]? = nil
    ) throws(DataError) -> RowSource {
        var parts: [RowSource.Part] = []
        for part in split.parts {
            parts.append(
                RowSource.Part(
                    .files(try files(of: part.split, in: configuration)), slice: part.slice, columns: columns))
        }
        return RowSource(name: name, parts: parts)
    }

    /// The folder that its files are in; nil for files that are nothing but files.
    public var folder: URL? { if case .folder(let folder, _) = form { folder } else { nil } }

    /// The configurations with their splits; nil for files that are nothing but files.
    public var layout: DatasetLayout? { if case .folder(_, let layout) = form { layout } else { nil } }

    private func files(of split: String, in configuration: String?) throws(DataError) -> [String] {
        switch form {
        case .files(let paths):
            guard split == Self.fileSplit else {
                throw DataError(
                    .empty, file: name,
                    message: "wanted split '\(split.onOneLine)', found files, whose only split is '\(Self.fileSplit)'")
            }
            return paths
        case .folder(let folder, let layout):
            return try layout.files(of: split, in: configuration).map {
                folder.appending(path: $0).path(percentEncoded: false)
            }
        }
    }
}

extension LocalDataset {
    /// More files than any data set has.
    private static let fileLimit = 1_000_000

    private static func layout(of folder: String, _ name: String) throws(DataError) -> DatasetLayout {
        if let saved = try SavedDataset(folder: folder, name: name) { return saved.layout }
        let readme = FileManager.default.contents(atPath: "\(folder)/README.md")
        return try DatasetLayout(
            files: try paths(in: folder, name), readme: readme.map { String(decoding: $0, as: UTF8.self) }, name: name)
    }

    /// The files below a folder. Those of a hub's cache are links, which count as what they point to.
    private static func paths(in folder: String, _ name: String) throws(DataError) -> [String] {
        guard let enumerator = FileManager.default.enumerator(atPath: folder) else {
            throw DataError(.unreadable, file: name, message: "wanted a folder that can be read, found no permission")
        }
        var paths: [String] = []
        while let path = enumerator.nextObject() as? String {
            paths.append(path)
            guard paths.count <= fileLimit else {
                throw DataError(
                    .unreadable, file: name,
                    message: "wanted a folder of data, found more than \(fileLimit) files in it")
            }
        }
        return paths
    }

    private static func files(matching pattern: String) throws(DataError) -> [String] {
        let parts = pattern.split(separator: "/", omittingEmptySubsequences: false)
        let fixed = parts.prefix { !GlobPattern.isPattern($0) }
        let folder = fixed.isEmpty ? "." : fixed == [""] ? "/" : fixed.joined(separator: "/")
        let glob = GlobPattern(parts.dropFirst(fixed.count).joined(separator: "/"))
        let found = FileManager.default.fileExists(atPath: folder) ? try paths(in: folder, pattern) : []
        let matching = found.filter { glob.matches($0) }.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        guard !matching.isEmpty else {
            throw DataError(
                .unreadable, file: pattern, message: "wanted files that the pattern names, found none; check the path")
        }
        return matching.map { folder == "." ? $0 : folder == "/" ? "/\($0)" : "\(folder)/\($0)" }
    }
}
