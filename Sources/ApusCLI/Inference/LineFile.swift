import Foundation

/// A new text file that grows line by line, each line on its way to disk when it is written.
final class LineFile {
    private let path: String
    private let handle: FileHandle

    /// Refuses a name that is taken, before any work is done for it.
    ///
    /// - Throws: `CommandFailure` with status 2.
    static func checkIsFree(_ path: String) throws {
        guard FileManager.default.fileExists(atPath: path) else { return }
        throw CommandFailure(.badInput, "\(path) exists; give --output a new name")
    }

    /// Creates the file.
    ///
    /// - Throws: `CommandFailure` with status 2 when something has the name already, or nothing can be written there.
    init(path: String) throws {
        // O_EXCL does not follow a symbolic link.
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            let reason = String(cString: strerror(errno)).lowercased()
            throw CommandFailure(.badInput, "\(path) cannot be created: \(reason); give a new name")
        }
        self.path = path
        handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    /// Appends a line.
    ///
    /// - Throws: `CommandFailure` with status 3.
    func append(_ line: String) throws {
        do {
            try handle.write(contentsOf: Data((line + "\n").utf8))
        } catch {
            throw CommandFailure(.runFailed, "\(path) cannot be written; earlier lines are in it, free space and go on")
        }
    }
}
