import ApusFormats
public import Foundation

/// What is to be pushed: the files of a folder, and files that are made for the hub alone.
///
///     var folder = try PushFolder(URL(filePath: "outputs/checkpoint-100")) { !$0.hasPrefix("optimizer.") }
///     folder.add(Data(card.text.utf8), as: "README.md", unlessPresent: true)
public struct PushFolder: Sendable {
    /// A file of it.
    public struct File: Sendable, Equatable {
        /// Where it is in the folder and will be in the repository, with `/` between folders.
        public let path: String
        /// In bytes.
        public let size: Int
        /// Whether the hub's own is kept where it has one.
        public let isSuggestion: Bool
        let source: PushSource
    }

    /// What is sent, in order of the paths.
    public private(set) var files: [File] = []
    /// Files of the folder that are not sent.
    public private(set) var leftOut: [File] = []
    /// Where the folder is.
    public let url: URL

    /// Bytes of everything that is sent.
    public var size: Int { files.reduce(0) { $0 + $1.size } }

    /// Looks for the files of a folder. What belongs to git, to a cache or to a running program is passed over.
    ///
    /// - Parameter isWanted: whether a file by its path in the folder is sent.
    /// - Throws: ``HubError`` with code `badFolder` or `unsafePath` for a folder that cannot be sent: without files, with a
    ///   link out of it, or with a name that the hub does not take.
    public init(_ url: URL, isWanted: (_ path: String) -> Bool = { _ in true }) throws(HubError) {
        self.url = url
        let path = url.path(percentEncoded: false)
        guard let root = RepositoryFolder.realPath(url) else {
            throw HubError(.badFolder, "\(path): no such folder; give the folder of an adapter or a checkpoint")
        }
        var status = stat()
        guard stat(root, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw HubError(.badFolder, "\(path) is no folder; give the folder that the files are in")
        }
        var walk = FolderWalk(root: root)
        for found in try walk.files() {
            let file = File(path: found.path, size: found.source.size, isSuggestion: false, source: found.source)
            if isWanted(file.path) { files.append(file) } else { leftOut.append(file) }
        }
        guard !files.isEmpty else {
            let others = leftOut.isEmpty ? "" : " beside \(leftOut.count) that are left out"
            throw HubError(.badFolder, "\(path) has no files to push\(others); give a folder that has some")
        }
        sort()
    }

    /// Adds a file that the folder need not have, in the place of one that it has.
    ///
    /// - Parameter unlessPresent: keeps the file of the folder, and that of the hub, where there is one.
    public mutating func add(_ data: Data, as path: String, unlessPresent: Bool = false) {
        if unlessPresent, file(path) != nil { return }
        files.removeAll { $0.path == path }
        files.append(File(path: path, size: data.count, isSuggestion: unlessPresent, source: .data(data)))
        sort()
    }

    /// The file at a path; nil where none is sent.
    public func file(_ path: String) -> File? { files.first { $0.path.utf8.elementsEqual(path.utf8) } }

    private mutating func sort() { files.sort { JSONWriter.precedes($0.path, $1.path) } }
}

/// Looks through a folder, links followed as far as they stay in it.
private struct FolderWalk {
    /// Without links.
    let root: String
    private var found: [(path: String, source: PushSource)] = []

    private static let limits = (files: 100_000, depth: 64)
    /// Of git, of huggingface_hub, and of a run that goes on.
    private static let passedOver: Set = [".git", ".cache/huggingface", ".apus.lock", ".DS_Store"]

    init(root: String) { self.root = root }

    mutating func files() throws(HubError) -> [(path: String, source: PushSource)] {
        try look(into: "", depth: 0)
        return found
    }

    private mutating func look(into folder: String, depth: Int) throws(HubError) {
        let place = folder.isEmpty ? root : "\(root)/\(folder)"
        let names: [String]
        do { names = try FileManager.default.contentsOfDirectory(atPath: place) } catch {
            throw HubError(.badFolder, "\(place) cannot be read: \(fileErrorReason(error))")
        }
        guard depth < Self.limits.depth, found.count + names.count <= Self.limits.files else {
            throw HubError(
                .badFolder,
                "\(root) has more than \(Self.limits.files) files or \(Self.limits.depth) folders in one another; "
                    + "the hub takes no such repository")
        }
        for name in names {
            let path = folder.isEmpty ? name : "\(folder)/\(name)"
            guard !Self.passedOver.contains(path) else { continue }
            if let problem = FilePath.problem(path) {
                throw HubError(
                    .unsafePath, "the file '\(path.prefix(300))' \(problem), and the hub does not take it; rename it")
            }
            try look(at: path, depth)
        }
    }

    private mutating func look(at path: String, _ depth: Int) throws(HubError) {
        var status = stat()
        var place = "\(root)/\(path)"
        guard lstat(place, &status) == 0 else { throw unusable(path, String(cString: strerror(errno)).lowercased()) }
        if status.st_mode & S_IFMT == S_IFLNK {
            guard let real = RepositoryFolder.realPath(URL(filePath: place)) else {
                throw unusable(path, "is a link that leads nowhere")
            }
            guard real.hasPrefix(root + "/") else {
                throw HubError(
                    .unsafePath,
                    "'\(path)' is a link out of the folder, and what is there is not pushed; put a copy in its place (cp -rL)"
                )
            }
            guard stat(real, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
                throw unusable(path, "is a link to what is no file")
            }
            place = real
        }
        switch status.st_mode & S_IFMT {
        case S_IFDIR: try look(into: path, depth: depth + 1)
        case S_IFREG: found.append((path, .file(place, FileStamp(status))))
        default: throw unusable(path, "is no file")
        }
    }

    private func unusable(_ path: String, _ problem: String) -> HubError {
        HubError(.badFolder, "'\(path)' in \(root) \(problem); take it out of what is pushed")
    }
}
