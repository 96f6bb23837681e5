import ApusFormats
public import Foundation

/// The cache of models and datasets: what it has, and how to take something out of it. Nothing outside its folder is ever
/// touched, and links are not followed out of it.
public struct HubCache: Sendable {
    /// The folder of all repositories.
    public let folder: URL

    /// The cache in a folder, which need not exist.
    public init(_ folder: URL) { self.folder = folder }

    /// A repository in the cache.
    public struct Repository: Sendable {
        /// What it holds.
        public var kind: RepositoryName.Kind
        /// `org/name`.
        public var id: String
        /// Its folder.
        public var folder: URL
        /// Every revision that has files here.
        public var revisions: [Revision]
        /// Bytes on disk, those of cut downloads included; a file of several revisions counts once.
        public var size: Int
        /// Bytes that cut downloads have left.
        public var incompleteSize: Int
        /// When a file was last read or written; nil for a repository without files.
        public var lastUsed: Date?
    }

    /// A revision of a repository in the cache.
    public struct Revision: Sendable {
        /// The commit.
        public var commit: String
        /// Branches and tags that were this commit when they were last asked for.
        public var references: [String]
        /// Files that are here.
        public var files: Int
        /// Their bytes.
        public var size: Int
    }

    /// What was taken out.
    public struct Removal: Sendable, Equatable {
        /// Bytes of the disk that are free now.
        public var bytes = 0
        /// Files, folders of revisions and of repositories.
        public var places: [String] = []
    }

    /// What the cache has, by kind and name. Folders that are no repositories are passed over.
    public func repositories() -> [Repository] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path(percentEncoded: false))) ?? []
        return names.sorted().compactMap(repository)
    }

    private func repository(_ folderName: String) -> Repository? {
        guard let (kind, id) = Self.parts(folderName) else { return nil }
        let place = RepositoryFolder(name: folderName, in: folder)
        guard CacheTree.isFolder(place.url) else { return nil }
        let references = CacheTree.references(place)
        let commits = CacheTree.names(place.url.appending(path: "snapshots")).filter(CommitHash.isWhole)
        let revisions = commits.map { commit in
            let blobs = CacheTree.blobs(of: place, commit)
            return Revision(
                commit: commit, references: references.filter { $0.value == commit }.keys.sorted(), files: blobs.count,
                size: Set(blobs).reduce(0) { $0 + (CacheTree.status(of: place.blobs, $1)?.size ?? 0) })
        }
        let blobs = CacheTree.names(place.blobs).map { (name: $0, status: CacheTree.status(of: place.blobs, $0)) }
        let incomplete = blobs.filter { $0.name.hasSuffix(".incomplete") }
        return Repository(
            kind: kind, id: id, folder: place.url, revisions: revisions,
            size: blobs.reduce(0) { $0 + ($1.status?.size ?? 0) },
            incompleteSize: incomplete.reduce(0) { $0 + ($1.status?.size ?? 0) },
            lastUsed: blobs.compactMap { $0.status?.lastUsed }.max())
    }

    /// Kind and name of a repository's folder.
    private static func parts(_ folderName: String) -> (RepositoryName.Kind, String)? {
        for kind in RepositoryName.Kind.allCases where folderName.hasPrefix(kind.plural + "--") {
            let id = String(folderName.dropFirst(kind.plural.utf8.count + 2)).replacing(
                "--", with: "/", maxReplacements: 1)
            guard let name = try? RepositoryName(id: id, kind: kind) else { return nil }
            return (kind, name.id)
        }
        return nil
    }

    /// Takes a whole repository out.
    ///
    /// - Throws: ``HubError`` with code `missingRepository` where there is none, `unsafePath` or `unwritable`.
    public func remove(_ name: RepositoryName) throws(HubError) -> Removal {
        let place = RepositoryFolder(name, in: folder)
        guard let repository = repository(place.folderName) else {
            throw HubError(.missingRepository, "there is no \(name.described) in \(folder.path(percentEncoded: false))")
        }
        var removal = Removal()
        try CacheTree.remove(place.url, in: folder, &removal)
        removal.bytes = repository.size
        let locks = folder.appending(path: ".locks/\(place.folderName)")
        if CacheTree.isFolder(locks) { try? FileManager.default.removeItem(at: locks) }
        return removal
    }

    /// Takes out revisions that no branch or tag names any more, the blobs that only those had, and what cut downloads have
    /// left some time ago.
    ///
    /// - Parameters:
    ///   - age: how long ago, at least, a revision has to have changed; one that is being fetched has no name yet.
    ///   - incompleteAge: how long ago, at least, a cut download has to have ended.
    ///   - isDry: whether nothing is removed, only said.
    /// - Throws: ``HubError`` with code `unsafePath` or `unwritable`.
    public func prune(
        revisionsOlderThan age: Duration = .seconds(3600),
        incompleteOlderThan incompleteAge: Duration = .seconds(24 * 3600),
        isDry: Bool = false
    ) throws(HubError) -> Removal {
        var removal = Removal()
        let now = Date()
        let isOld = { (status: CacheTree.Status?, age: Duration) in
            status.map { now.timeIntervalSince($0.lastChanged) >= Double(age.components.seconds) } ?? false
        }
        for repository in repositories() {
            let place = RepositoryFolder(name: repository.folder.lastPathComponent, in: folder)
            let stale = repository.revisions.filter { revision in
                revision.references.isEmpty && isOld(CacheTree.status(of: place.snapshot(""), revision.commit), age)
            }
            let staleCommits = Set(stale.map(\.commit))
            let kept = repository.revisions.filter { !staleCommits.contains($0.commit) }
            let named = Set(kept.flatMap { CacheTree.blobs(of: place, $0.commit) })
            let orphans = Set(stale.flatMap { CacheTree.blobs(of: place, $0.commit) }).subtracting(named)
            let leftovers = CacheTree.names(place.blobs).filter { name in
                name.hasSuffix(".incomplete") && isOld(CacheTree.status(of: place.blobs, name), incompleteAge)
            }
            for revision in stale {
                for part in [place.snapshot(revision.commit), place.tree(revision.commit)] where CacheTree.exists(part)
                {
                    try CacheTree.remove(part, in: folder, isDry: isDry, &removal)
                }
            }
            for name in orphans.sorted() + leftovers.sorted() {
                guard let status = CacheTree.status(of: place.blobs, name) else { continue }
                try CacheTree.remove(place.blobs.appending(path: name), in: folder, isDry: isDry, &removal)
                removal.bytes += status.size
            }
        }
        return removal
    }
}

/// Reads and removes parts of the cache.
private enum CacheTree {
    struct Status {
        /// Bytes on disk.
        var size: Int
        var lastUsed: Date
        var lastChanged: Date
    }

    /// What a file or link among the blobs takes; nil where there is none. A link takes nothing: what it leads to is another's.
    static func status(of folder: URL, _ name: String) -> Status? {
        var status = stat()
        let path = folder.appending(path: name).path(percentEncoded: false)
        guard lstat(path, &status) == 0 else { return nil }
        let changed = Date(timeIntervalSince1970: Double(status.st_mtim.tv_sec))
        let read = Date(timeIntervalSince1970: Double(status.st_atim.tv_sec))
        let isFile = status.st_mode & S_IFMT == S_IFREG
        return Status(
            size: isFile ? Int(status.st_blocks) * 512 : 0, lastUsed: max(changed, read), lastChanged: changed)
    }

    static func names(_ folder: URL) -> [String] {
        guard isFolder(folder) else { return [] }
        return (try? FileManager.default.contentsOfDirectory(atPath: folder.path(percentEncoded: false)))?.sorted()
            ?? []
    }

    /// Whether there is a folder, and not a link to one.
    static func isFolder(_ url: URL) -> Bool {
        var status = stat()
        let path = url.path(percentEncoded: false)
        return lstat(path.hasSuffix("/") ? String(path.dropLast()) : path, &status) == 0
            && status.st_mode & S_IFMT == S_IFDIR
    }

    static func exists(_ url: URL) -> Bool {
        var status = stat()
        let path = url.path(percentEncoded: false)
        return lstat(path.hasSuffix("/") ? String(path.dropLast()) : path, &status) == 0
    }

    /// Branches and tags with their commits.
    static func references(_ place: RepositoryFolder) -> [String: String] {
        let root = place.url.appending(path: "refs")
        guard isFolder(root) else { return [:] }
        let paths = (try? FileManager.default.subpathsOfDirectory(atPath: root.path(percentEncoded: false))) ?? []
        return paths.reduce(into: [:]) { result, path in
            guard let text = try? String(contentsOf: root.appending(path: path), encoding: .utf8) else { return }
            result[path] = text.trimmingCharacters(in: .whitespacesAndNewlines)
        }
    }

    /// The names of the blobs that the links of a snapshot lead to.
    static func blobs(of place: RepositoryFolder, _ commit: String) -> [String] {
        let root = place.snapshot(commit)
        guard isFolder(root) else { return [] }
        let paths = (try? FileManager.default.subpathsOfDirectory(atPath: root.path(percentEncoded: false))) ?? []
        return paths.compactMap { path in
            let target = try? FileManager.default.destinationOfSymbolicLink(
                atPath: root.appending(path: path).path(percentEncoded: false))
            let parts = (target ?? "").split(separator: "/")
            guard parts.count > 1, parts[parts.count - 2] == "blobs", let name = parts.last, name != ".." else {
                return nil
            }
            return String(name)
        }
    }

    /// Removes a file, a link itself, or a folder with all that is in it.
    ///
    /// - Throws: ``HubError`` with code `unsafePath` for what is not inside the cache, `unwritable`.
    static func remove(
        _ url: URL, in cache: URL, isDry: Bool = false, _ removal: inout HubCache.Removal
    ) throws(HubError) {
        let path = url.path(percentEncoded: false)
        guard let root = RepositoryFolder.realPath(cache),
            let parent = RepositoryFolder.realPath(url.deletingLastPathComponent()),
            parent == root || parent.hasPrefix(root + "/"), ![".", "..", ""].contains(url.lastPathComponent)
        else { throw HubError(.unsafePath, "\(path) is not inside the cache; nothing was removed") }
        removal.places.append(path)
        guard !isDry else { return }
        do { try FileManager.default.removeItem(at: url) } catch { throw .file(error, path, "cannot be removed") }
    }
}
