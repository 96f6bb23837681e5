internal import ApusFormats
internal import Foundation

/// A folder in which kernels that were compiled are kept.
///
/// What lies in it can be deleted at any time. A file is taken when it is, in every byte, one that was written for the key:
/// whatever else lies there is compiled again and replaced.
struct KernelCache: Equatable {
    let directory: String

    /// The name of the environment variable that moves the user's cache to another folder, or turns it `off`.
    static let environmentVariable = "APUS_KERNEL_CACHE"
    /// Images that are kept: the cards of a machine times a few versions of Apus.
    private static let mostFiles = 8
    /// More than any image.
    private static let mostBytes = 64 << 20
    private static let suffix = ".kernels"

    /// The user's: `apus/kernels` in the folder for such files.
    static func standard(_ environment: [String: String]) -> KernelCache? {
        UserCache.folder("kernels", variable: environmentVariable, environment).map { KernelCache(directory: $0) }
    }

    /// What an image depends on.
    struct Key {
        /// The SHA-256 of all of it.
        let digest: String

        init(_ sources: KernelSources, _ target: KernelCompiler.Target, compiler version: String) {
            var hash = SHA256()
            hash.update("\(sources.digest) \(target.option) NVRTC \(version)".utf8)
            digest = hash.hexadecimal
        }
    }

    /// The image of a key; nil when it is not there, whole.
    func read(_ key: Key) -> [UInt8]? {
        var status = stat()
        // What others may have written is not run.
        guard lstat(path(key), &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_uid == geteuid(),
            status.st_size <= Self.mostBytes, let file = try? MappedFile(path: path(key))
        else { return nil }
        return file.withBytes { bytes in
            let image = [UInt8](bytes.dropFirst(Self.header(key, []).count))
            return bytes.starts(with: Self.header(key, image)) ? image : nil
        }
    }

    /// Keeps an image for the next time; that it cannot be kept is no error.
    func write(_ image: [UInt8], _ key: Key) {
        // Others have no business there.
        try? FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        guard let file = try? AtomicFile(path: path(key)) else { return }
        do {
            try file.append(Self.header(key, image))
            try file.append(image)
            try file.commit()
        } catch {
            return
        }
        removeOldest()
    }

    func path(_ key: Key) -> String { "\(directory)/\(key.digest.prefix(16))\(Self.suffix)" }

    /// A line of a length that the image does not change: the key, and a checksum of the image.
    private static func header(_ key: Key, _ image: [UInt8]) -> [UInt8] {
        var hash = SHA256()
        hash.update(image)
        return Array("APUS KERNELS 1 \(key.digest) \(hash.hexadecimal)\n".utf8)
    }

    /// Removes images but for those that were written last, and what is left of writers that were killed.
    private func removeOldest() {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        let ages = names.filter { $0.hasSuffix(Self.suffix) || $0.hasSuffix(AtomicFile.draftSuffix) }.map { name in
            (path: "\(directory)/\(name)", written: Self.lastWrite("\(directory)/\(name)"))
        }
        for file in ages.sorted(by: { $0.written > $1.written }).dropFirst(Self.mostFiles) { unlink(file.path) }
    }

    private static func lastWrite(_ path: String) -> Date {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        return attributes?[.modificationDate] as? Date ?? .distantPast
    }
}
