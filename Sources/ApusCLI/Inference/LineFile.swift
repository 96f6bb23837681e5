import Foundation

/// A text file that grows line by line.
///
/// A new file has its name from the first line on, so that lines are there whatever ends the program. Where it replaces
/// another one, that one stays as it is until ``finish()``.
final class LineFile {
    private let path: String
    private let handle: FileHandle
    /// What the file is called until it replaces another one.
    private var draft: String?

    /// Refuses a name that cannot be written to, before any work is done for it.
    ///
    /// - Parameters:
    ///   - overwrites: whether a file that is there may be replaced.
    ///   - sources: files that are read, which it must not replace.
    /// - Throws: `CommandFailure` with status 2.
    static func check(_ path: String, overwrites: Bool, sources: [String] = []) throws {
        let manager = FileManager.default
        let url = URL(filePath: path).standardizedFileURL
        func refuse(_ reason: String) -> CommandFailure { CommandFailure(.badInput, "--output: \(path) \(reason)") }
        var isFolder: ObjCBool = false
        if manager.fileExists(atPath: url.path, isDirectory: &isFolder) {
            guard !isFolder.boolValue else { throw refuse("is a folder; give a file's name") }
            guard overwrites else { throw refuse("exists; give a new name, or --overwrite to replace it") }
        }
        guard (try? manager.destinationOfSymbolicLink(atPath: url.path)) == nil else {
            throw refuse("is a symbolic link; give the place itself")
        }
        for source in sources where URL(filePath: source).resolvingSymlinksInPath() == url.resolvingSymlinksInPath() {
            throw refuse("is what is read; give another name")
        }
        let folder = url.deletingLastPathComponent().path
        guard manager.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue else {
            throw refuse("cannot be created: there is no folder \(folder); create it")
        }
        guard manager.isWritableFile(atPath: folder) else {
            throw refuse("cannot be created: permission denied; give another place")
        }
    }

    /// Opens the file.
    ///
    /// - Parameter overwrites: whether it may replace another one.
    /// - Throws: `CommandFailure` with status 2 when something has the name already, or nothing can be written there.
    init(path: String, overwrites: Bool = false) throws {
        self.path = path
        if overwrites, FileManager.default.fileExists(atPath: path) {
            let url = URL(filePath: path)
            let name = ".\(url.lastPathComponent).\(getpid()).draft"
            draft = url.deletingLastPathComponent().appending(path: name).path(percentEncoded: false)
        }
        // O_EXCL does not follow a symbolic link.
        let descriptor = open(draft ?? path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw CommandFailure(.badInput, "\(path) cannot be created: \(Self.systemReason); give a new name")
        }
        handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    deinit {
        if let draft { unlink(draft) }
    }

    /// Appends a line.
    ///
    /// - Throws: `CommandFailure` with status 3.
    func append(_ line: String) throws {
        do {
            try handle.write(contentsOf: Data((line + "\n").utf8))
        } catch {
            let rest = draft == nil ? "earlier lines are in it" : "the old one stays"
            throw CommandFailure(.runFailed, "\(path) cannot be written; \(rest), free space and go on")
        }
    }

    /// Gives the file its name where it replaces another one.
    ///
    /// - Throws: `CommandFailure` with status 3.
    func finish() throws {
        guard let draft else { return }
        guard fsync(handle.fileDescriptor) == 0, rename(draft, path) == 0 else {
            throw CommandFailure(.runFailed, "\(path) cannot be written: \(Self.systemReason); the old one stays")
        }
        self.draft = nil
    }

    private static var systemReason: String { String(cString: strerror(errno)).lowercased() }
}
