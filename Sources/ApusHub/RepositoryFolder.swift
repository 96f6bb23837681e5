import ApusFormats
import Foundation

/// The folder of one repository in the cache, laid out as `huggingface_hub` does:
///
///     models--org--name/blobs/<etag>                      a file's content, under its checksum
///     models--org--name/refs/<revision>                   the commit that a branch or tag was
///     models--org--name/snapshots/<commit>/<path>         a link to the blob
///     models--org--name/trees/<commit>.json               what the commit has
///     .locks/models--org--name/<etag>.lock                held while the blob is made
struct RepositoryFolder: Sendable {
    let cache: URL
    let folderName: String

    init(_ name: RepositoryName, in cache: URL) {
        self.init(name: "\(name.kind.plural)--\(name.id.replacing("/", with: "--"))", in: cache)
    }

    init(name: String, in cache: URL) {
        self.cache = cache
        folderName = name
    }

    var url: URL { cache.appending(path: folderName, directoryHint: .isDirectory) }
    var blobs: URL { url.appending(path: "blobs", directoryHint: .isDirectory) }
    func blob(_ file: HubFile) -> URL { blobs.appending(path: file.etag, directoryHint: .notDirectory) }
    func reference(_ revision: String) -> URL { url.appending(path: "refs/\(revision)", directoryHint: .notDirectory) }
    func snapshot(_ commit: String) -> URL { url.appending(path: "snapshots/\(commit)", directoryHint: .isDirectory) }
    func tree(_ commit: String) -> URL { url.appending(path: "trees/\(commit).json", directoryHint: .notDirectory) }
    func lock(_ file: HubFile) -> URL {
        cache.appending(path: ".locks/\(folderName)/\(file.etag).lock", directoryHint: .notDirectory)
    }
    func pointer(_ file: HubFile, at commit: String) -> URL {
        snapshot(commit).appending(path: file.path, directoryHint: .notDirectory)
    }

    // MARK: What is there

    /// The commit that a revision was when it was last asked for; nil where nobody has asked.
    func commit(of name: RepositoryName) -> String? {
        if name.isCommit { return name.revision }
        guard let text = try? String(contentsOf: reference(name.revision), encoding: .utf8) else { return nil }
        let commit = text.trimmingCharacters(in: .whitespacesAndNewlines)
        return CommitHash.isWhole(commit) ? commit : nil
    }

    /// Whether a file is there whole: a link, or a copy, that leads to as many bytes as the listing says.
    func has(_ file: HubFile, at commit: String) -> Bool { Self.size(of: pointer(file, at: commit)) == file.size }

    /// The bytes of a regular file, links followed; nil for what is none.
    static func size(of url: URL) -> Int? {
        var status = stat()
        guard stat(url.path(percentEncoded: false), &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            return nil
        }
        return Int(status.st_size)
    }

    /// The listing that an earlier download kept; without one, what the snapshot has.
    ///
    /// - Throws: ``HubError`` where what is kept has unsafe paths.
    func listing(of name: RepositoryName, at commit: String) throws(HubError) -> HubListing? {
        if let data = try? Data(contentsOf: tree(commit)), let files = StoredListing.files(data) {
            return try HubListing(name, commit: commit, files: files)
        }
        let root = snapshot(commit)
        guard let paths = try? FileManager.default.subpathsOfDirectory(atPath: root.path(percentEncoded: false)) else {
            return nil
        }
        var files: [HubFile] = []
        for path in paths {
            guard let size = Self.size(of: root.appending(path: path)) else { continue }
            // The checksum is not asked of a file that is not fetched again.
            let unknown = String(repeating: "0", count: 40)
            files.append(try HubFile(path: path, size: size, gitHash: unknown, sha256: nil, xetHash: nil))
        }
        return files.isEmpty ? nil : try HubListing(name, commit: commit, files: files, isOfCache: true)
    }

    // MARK: What is written

    /// Makes the folder of a file that is to be written, and sees that no link on the way leads out of the cache.
    ///
    /// - Throws: ``HubError`` with code `unsafePath` or `unwritable`.
    func prepareFolder(of file: URL) throws(HubError) {
        let folder = file.deletingLastPathComponent()
        try Self.makeFolder(cache)
        try checkInside(folder)
        try Self.makeFolder(folder)
        try checkInside(folder)
    }

    private static func makeFolder(_ url: URL) throws(HubError) {
        do {
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        } catch { throw .file(error, url.path(percentEncoded: false), "cannot be made a folder") }
    }

    /// Sees that a folder, as far as it is there, is inside the cache when links are followed.
    private func checkInside(_ folder: URL) throws(HubError) {
        var existing = folder.standardizedFileURL
        var status = stat()
        while lstat(existing.path(percentEncoded: false).droppingLastSlash, &status) != 0,
            existing.pathComponents.count > 1
        {
            existing = existing.deletingLastPathComponent()
        }
        guard let root = Self.realPath(cache), let real = Self.realPath(existing),
            real == root || real.hasPrefix(root + "/")
        else {
            throw HubError(
                .unsafePath,
                "\(existing.path(percentEncoded: false)) leads out of the cache by a link; remove the link, or set HF_HUB_CACHE"
            )
        }
    }

    /// A path without links; nil where it does not exist.
    static func realPath(_ url: URL) -> String? {
        guard let path = realpath(url.path(percentEncoded: false), nil) else { return nil }
        defer { free(path) }
        return String(cString: path)
    }

    /// A name for a draft. Drafts lie among the blobs and end as partial ones do: what a killed process leaves is then no
    /// revision and no file of a snapshot for anybody, and is cleaned up with the rest.
    ///
    /// - Throws: ``HubError`` when the folder cannot be made.
    private func draft() throws(HubError) -> String {
        let name = "\(UInt64.random(in: 0 ... .max).hexadecimal(width: 16)).draft.incomplete"
        let draft = blobs.appending(path: name, directoryHint: .notDirectory)
        try prepareFolder(of: draft)
        return draft.path(percentEncoded: false)
    }

    /// Writes a small file whole, so that nobody ever reads a part of it.
    ///
    /// - Throws: ``HubError``.
    func write(_ data: Data, to file: URL) throws(HubError) {
        if let present = try? Data(contentsOf: file), present == data { return }
        try prepareFolder(of: file)
        let draft = try draft()
        let path = file.path(percentEncoded: false)
        do {
            try data.write(to: URL(filePath: draft), options: .withoutOverwriting)
            try synchronizeFile(draft)
        } catch {
            unlink(draft)
            throw .file(error, path, "cannot be written")
        }
        try Self.rename(draft, to: path, "cannot be written")
    }

    private static func rename(_ draft: String, to path: String, _ action: String) throws(HubError) {
        guard Foundation.rename(draft, path) != 0 else { return }
        let number = errno
        unlink(draft)
        throw .system(number, path, action)
    }

    /// Remembers what a commit has, for whoever asks without a network.
    ///
    /// - Throws: ``HubError``.
    func remember(_ listing: HubListing) throws(HubError) {
        guard !listing.isOfCache else { return }
        try write(StoredListing.data(listing), to: tree(listing.commit))
        let tag = cache.appending(path: "CACHEDIR.TAG")
        guard !FileManager.default.fileExists(atPath: tag.path(percentEncoded: false)) else { return }
        // Tools for backups leave out folders with this file (https://bford.info/cachedir).
        let text = "Signature: 8a477f597d28d172789f06886806bc55\n# This folder is a cache of models and datasets.\n"
        try write(Data(text.utf8), to: tag)
    }

    /// Remembers which commit a revision is. Done last: until then the revision stays the commit that was whole before.
    ///
    /// - Throws: ``HubError``.
    func rememberReference(_ listing: HubListing) throws(HubError) {
        guard !listing.name.isCommit, !listing.isOfCache else { return }
        try write(Data(listing.commit.utf8), to: reference(listing.name.revision))
    }

    /// Puts a file whose blob is there into the snapshot of a commit.
    ///
    /// - Throws: ``HubError``.
    func place(_ file: HubFile, at commit: String) throws(HubError) {
        let pointer = pointer(file, at: commit)
        guard !has(file, at: commit) else { return }
        try prepareFolder(of: pointer)
        let depth = 2 + file.path.utf8.count { $0 == UInt8(ascii: "/") }
        let target = String(repeating: "../", count: depth) + "blobs/\(file.etag)"
        let path = pointer.path(percentEncoded: false)
        // Renamed over what is there: a link that leads nowhere, or a file that is not whole.
        let draft = try draft()
        guard symlink(target, draft) == 0 else { throw .system(errno, path, "cannot be linked to its blob") }
        try Self.rename(draft, to: path, "cannot be linked to its blob")
    }
}

extension String {
    /// Without a slash at the end, which makes system calls follow a link.
    fileprivate var droppingLastSlash: String { count > 1 && hasSuffix("/") ? String(dropLast()) : self }
}
