import ApusFormats
import Foundation

/// A file of a repository at one commit.
public struct HubFile: Sendable, Hashable {
    /// Where it is in the repository, with `/` between folders.
    public let path: String
    /// In bytes.
    public let size: Int
    /// Git's name of what the repository stores: the file itself, or the pointer to a large one.
    let gitHash: String
    /// The checksum of a large file.
    let sha256: String?
    /// What the hub's chunk store calls a large file; kept for others who share the cache.
    let xetHash: String?

    /// Checks what a server says of a file.
    ///
    /// - Throws: ``HubError`` with code `unsafePath` or `badAnswer`.
    init(path: String, size: Int?, gitHash: String?, sha256: String?, xetHash: String?) throws(HubError) {
        if let problem = FilePath.problem(path) {
            throw HubError(
                .unsafePath, "a listing names the file '\(path.prefix(300))', which \(problem); nothing was written")
        }
        guard let size, size >= 0, let gitHash, CommitHash.isWhole(gitHash),
            sha256.map({ CommitHash.isHexadecimal($0, count: 64) }) ?? true
        else { throw HubError(.badAnswer, "the listing's entry for '\(path)' has no size or no checksum") }
        self.path = path
        self.size = size
        self.gitHash = gitHash
        self.sha256 = sha256
        self.xetHash = xetHash.flatMap { CommitHash.isHexadecimal($0, count: 64) ? $0 : nil }
    }

    /// The name of the file among the cache's blobs: the checksum of its content.
    var etag: String { sha256 ?? gitHash }

    /// The last part of the path.
    var name: String { path.split(separator: "/").last.map(String.init) ?? path }
}

/// Rules for the paths in a listing: none may lead out of a folder, or hide what it is.
enum FilePath {
    /// What is wrong with a path; nil for a usable one.
    static func problem(_ path: String) -> String? {
        guard path.utf8.count <= 1000 else { return "is longer than a path may be" }
        guard path.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control }) else {
            return "has a control character"
        }
        guard !path.contains("\\") else { return "has a backslash" }
        // Line and paragraph separators, and marks that reverse the direction of writing, make a name look like another.
        guard
            !path.unicodeScalars.contains(where: {
                (0x2028...0x202E).contains($0.value) || (0x2066...0x2069).contains($0.value)
            })
        else { return "has a character that hides its name" }
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.allSatisfy({ !$0.isEmpty }) else { return "is not below the repository's folder" }
        guard !parts.contains("."), !parts.contains("..") else { return "leads out of its folder" }
        guard !parts.contains(where: { $0.lowercased() == ".git" }) else { return "is git's own" }
        guard parts.allSatisfy({ $0.utf8.count <= 255 }) else { return "has a name longer than a file's may be" }
        return nil
    }
}

/// What a repository has at one commit.
public struct HubListing: Sendable {
    /// The repository as it was asked for.
    public let name: RepositoryName
    /// The commit that the revision was when the hub was asked.
    public let commit: String
    /// In order of their paths.
    public let files: [HubFile]
    /// What the hub calls the repository now, when that is another name than the one asked for.
    public let currentID: String?
    /// Whether the listing is only of what the cache has.
    let isOfCache: Bool

    /// Checks that no two files take the same place.
    ///
    /// - Throws: ``HubError`` with code `unsafePath` or `badAnswer`.
    init(
        _ name: RepositoryName, commit: String, files: [HubFile], currentID: String? = nil, isOfCache: Bool = false
    ) throws(HubError) {
        guard CommitHash.isWhole(commit) else {
            throw HubError(.badAnswer, "the hub gave '\(commit.prefix(80))' as a commit of \(name.described)")
        }
        let sorted = files.sorted { JSONWriter.precedes($0.path, $1.path) }
        // As bytes: texts that look the same are equal to Swift, but other files.
        let places = Set(sorted.map { Array($0.path.utf8) })
        guard places.count == sorted.count else {
            throw HubError(.unsafePath, "the listing of \(name.described) names a file twice; nothing was written")
        }
        for file in sorted {
            for (index, byte) in file.path.utf8.enumerated() where byte == UInt8(ascii: "/") {
                guard !places.contains(Array(file.path.utf8.prefix(index))) else {
                    throw HubError(
                        .unsafePath,
                        "the listing of \(name.described) has '\(file.path)' below a file; nothing was written")
                }
            }
        }
        self.name = name
        self.commit = commit
        self.files = sorted
        self.currentID = currentID
        self.isOfCache = isOfCache
    }

    /// The file at a path; nil where there is none.
    public func file(_ path: String) -> HubFile? { files.first { $0.path.utf8.elementsEqual(path.utf8) } }
}

extension HubFile {
    /// The file that an entry of the hub's tree describes; nil for a folder.
    ///
    /// - Throws: ``HubError`` with code `unsafePath` or `badAnswer`.
    static func inTree(_ entry: JSONValue) throws(HubError) -> HubFile? {
        guard let path = entry["path"]?.string, let type = entry["type"]?.string else {
            throw HubError(.badAnswer, "the hub's listing has an entry without path and type")
        }
        guard type == "file" else { return nil }
        let large = entry["lfs"].flatMap { $0.members == nil ? nil : $0 }
        return try HubFile(
            path: path, size: large?["size"]?.integer ?? entry["size"]?.integer, gitHash: entry["oid"]?.string,
            sha256: large?["oid"]?.string, xetHash: entry["xetHash"]?.string)
    }
}

/// A listing as `huggingface_hub` keeps it in `trees/<commit>.json`, so that both find each other's.
enum StoredListing {
    static func data(_ listing: HubListing) -> Data {
        let files = listing.files.map { file in
            var members: [JSONValue.Member] = [
                .init(key: "size", value: .integer(file.size)), .init(key: "blob_id", value: .string(file.gitHash)),
            ]
            if let sha256 = file.sha256 {
                members.append(.init(key: "lfs_sha256", value: .string(sha256)))
                members.append(.init(key: "lfs_size", value: .integer(file.size)))
            }
            if let xetHash = file.xetHash { members.append(.init(key: "xet_hash", value: .string(xetHash))) }
            return JSONValue.Member(key: file.path, value: .object(members))
        }
        let tree: JSONValue = ["format_version": 1, "files": .object(files)]
        return Data(JSONWriter(indent: 1).write(tree).utf8)
    }

    /// The files of a stored listing; nil for what is none.
    static func files(_ data: Data) -> [HubFile]? {
        guard let tree = try? JSONValue(json: data), tree["format_version"]?.integer == 1,
            let members = tree["files"]?.members
        else { return nil }
        let files = members.compactMap { member in
            let value = member.value
            return try? HubFile(
                path: member.key, size: value["lfs_size"]?.integer ?? value["size"]?.integer,
                gitHash: value["blob_id"]?.string, sha256: value["lfs_sha256"]?.string,
                xetHash: value["xet_hash"]?.string)
        }
        return files.count == members.count ? files : nil
    }
}
