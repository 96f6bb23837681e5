internal import ApusFormats
internal import ApusTensor
internal import Foundation

extension WeightCache {
    /// What happened when packed weights were to be written.
    enum WriteOutcome: Equatable {
        case written
        /// Another process is writing, into this folder.
        case busy
        /// The cache's share of the disk, or the disk, has no room for it.
        case noRoom
        /// The system said no; in words.
        case failed(String)
    }

    /// Writes packed weights for the next run, and makes room for them.
    ///
    /// - Parameter replaces: whether what is there for the key is known to be of no use.
    @discardableResult
    func write(
        _ weights: [(name: String, parts: [any SharedBytes])], key: PackedModelKey, replaces: Bool = false
    ) -> WriteOutcome {
        do {
            let url = URL(filePath: directory, directoryHint: .isDirectory)
            // Others have no business with a user's weights.
            try FileManager.default.createDirectory(
                at: url, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            guard let lock = try FileLock.attempt(directory + "/.lock", mode: 0o600) else { return .busy }
            return try withExtendedLifetime(lock) {
                removeDrafts()
                // Whoever held the lock before may have written just this.
                if !replaces, PackedModel(path: path(of: key), key: key) != nil { return .written }
                let needed = weights.reduce(0) { $0 + $1.parts.reduce(0) { $0 + $1.byteCount } }
                guard makeRoom(for: needed) else { return .noRoom }
                try PackedModel.write(weights, key: key, to: path(of: key))
                return .written
            }
        } catch {
            return .failed(fileErrorReason(error))
        }
    }

    /// Files that were half written when their process ended: only the owner of the lock writes, so nobody needs them.
    private func removeDrafts() {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        for name in names where name.hasPrefix(".") && name.hasSuffix(AtomicFile.draftSuffix) {
            unlink(directory + "/" + name)
        }
    }

    /// One of its files.
    struct Entry {
        let path: String
        let bytes: Int
        let lastUse: Date
    }

    /// Its files, the one that was not used for the longest time first.
    func entries() -> [Entry] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        let entries = names.filter { $0.hasSuffix(Self.suffix) && !$0.hasPrefix(".") }.compactMap { name -> Entry? in
            let path = directory + "/" + name
            var status = stat()
            guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
            #if canImport(Darwin)
                let time = status.st_mtimespec
            #else
                let time = status.st_mtim
            #endif
            let lastUse = Date(timeIntervalSince1970: Double(time.tv_sec) + Double(time.tv_nsec) / 1e9)
            return Entry(path: path, bytes: Int(status.st_size), lastUse: lastUse)
        }
        return entries.sorted { ($0.lastUse, $0.path) < ($1.lastUse, $1.path) }
    }

    /// What it may take: its limit, and at most half of what would be free without it.
    func allowance() -> Int {
        var status = statvfs()
        guard statvfs(directory, &status) == 0 else { return sizeLimit }
        let free = Int(status.f_bavail) * Int(status.f_frsize)
        return min(sizeLimit, (free + entries().reduce(0) { $0 + $1.bytes }) / 2)
    }

    /// How much it holds, and may hold at most.
    public var usage: (files: Int, bytes: Int, limit: Int) {
        let entries = entries()
        return (entries.count, entries.reduce(0) { $0 + $1.bytes }, allowance())
    }

    /// Whether weights can be written there: into the folder, or into the nearest one above it that there is.
    public var isWritable: Bool {
        var url = URL(filePath: directory, directoryHint: .isDirectory).absoluteURL
        while !FileManager.default.fileExists(atPath: url.path), url.path != "/" { url.deleteLastPathComponent() }
        return access(url.path, W_OK | X_OK) == 0
    }

    /// Removes files, the longest unused first, until there is room for another one. A process that has one of them in
    /// memory keeps it until it ends.
    private func makeRoom(for needed: Int) -> Bool {
        let allowance = allowance()
        guard needed <= allowance else { return false }
        let entries = entries()
        var held = entries.reduce(0) { $0 + $1.bytes }
        for entry in entries where held + needed > allowance {
            guard unlink(entry.path) == 0 else { continue }
            held -= entry.bytes
        }
        return held + needed <= allowance
    }
}
