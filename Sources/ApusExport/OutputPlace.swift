import ApusFormats
import ApusText
import Foundation

/// Where an export goes: checked before any work, filled under another name, renamed when it is complete.
struct OutputPlace {
    let path: String
    private let url: URL
    private let overwrites: Bool

    /// Checks a place for a file or a folder.
    ///
    /// - Parameters:
    ///   - overwrites: whether something that is there may be replaced.
    ///   - sources: folders and files that the export reads, which it must not replace.
    /// - Throws: `ExportError` when the place is taken, is a symbolic link, or holds what is read.
    init(_ path: String, overwrites: Bool, sources: [String]) throws {
        let url = URL(filePath: path).standardizedFileURL
        guard !path.isEmpty, !path.contains("\0"), url.path != "/" else {
            throw ExportError("--output: wanted the name of a new file or folder, found '\(path)'")
        }
        self.path = url.path
        self.url = url
        self.overwrites = overwrites
        if (try? FileManager.default.destinationOfSymbolicLink(atPath: url.path)) != nil {
            throw ExportError("--output: \(path) is a symbolic link; give the place itself")
        }
        let real = url.resolvingSymlinksInPath().path
        for source in sources {
            let read = URL(filePath: source).standardizedFileURL.resolvingSymlinksInPath().path
            guard read != real, !read.hasPrefix(real + "/") else {
                throw ExportError("--output: \(path) holds what is exported (\(source)); give another place")
            }
        }
    }

    /// Makes sure that a file can be written here.
    func prepareFile() throws {
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) {
            guard !isFolder.boolValue else {
                throw ExportError(
                    "--output: wanted a file's name, found the folder \(path); add a name such as model.gguf")
            }
            guard overwrites else { throw taken() }
        }
        try createParent()
    }

    /// Makes sure that a folder can be written here.
    func prepareFolder() throws {
        let manager = FileManager.default
        var isFolder: ObjCBool = false
        if manager.fileExists(atPath: path, isDirectory: &isFolder) {
            guard isFolder.boolValue else {
                throw ExportError("--output: wanted a folder's name, found the file \(path)")
            }
            let names = try? manager.contentsOfDirectory(atPath: path)
            guard names?.isEmpty ?? false || overwrites else { throw taken() }
            try checkThatAllMayGo(names ?? [])
        }
        try createParent()
    }

    /// The folder is replaced as a whole, so it must hold nothing but what an export writes.
    private func checkThatAllMayGo(_ names: [String]) throws {
        let foreign = names.filter { !ExportedName.isKnown($0) }.sorted()
        guard !foreign.isEmpty else { return }
        let shown =
            foreign.prefix(5).joined(separator: ", ") + (foreign.count > 5 ? " and \(foreign.count - 5) more" : "")
        throw ExportError(
            "--output: \(path) holds what no export writes (\(shown)), and --overwrite would remove it; move it away, or give "
                + "a new name")
    }

    /// Fills a draft folder beside the place, puts it on disk and gives it its name.
    ///
    /// - Throws: what `fill` throws, and `FormatError` with code `unwritable`; the draft is removed then.
    func writeFolder(_ fill: (URL) throws -> Void) throws {
        let manager = FileManager.default
        let draft = sibling("draft")
        do {
            try? manager.removeItem(at: draft)
            try manager.createDirectory(at: draft, withIntermediateDirectories: false)
            try fill(draft)
            try synchronizeFolder(draft.path)
            try replaceFolder(url, by: draft, aside: sibling("replaced"))
        } catch {
            try? manager.removeItem(at: draft)
            if error is FormatError || error is ExportError { throw error }
            throw FormatError(.unwritable, file: path, "cannot be written: \(fileErrorReason(error))")
        }
    }

    private func sibling(_ role: String) -> URL {
        let name = ".\(url.lastPathComponent).\(ProcessInfo.processInfo.processIdentifier).\(role)"
        return url.deletingLastPathComponent().appending(path: name, directoryHint: .isDirectory)
    }

    private func createParent() throws {
        let parent = url.deletingLastPathComponent()
        do {
            try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true)
        } catch {
            throw ExportError("--output: cannot create \(parent.path): \(fileErrorReason(error)); choose another place")
        }
        guard FileManager.default.isWritableFile(atPath: parent.path) else {
            throw ExportError("--output: cannot write to \(parent.path): permission denied; choose another place")
        }
    }

    private func taken() -> ExportError {
        ExportError("--output: \(path) exists; give a new name, or --overwrite to replace it")
    }
}

/// The names of files that exports of a folder write, of this version and of others.
private enum ExportedName {
    private static let names = Set(
        [
            "config.json", "generation_config.json", "adapter_config.json", "adapter_model.safetensors",
            "model.safetensors", "model.safetensors.index.json", "tokenizer.model",
        ] + Tokenizer.files.map { String($0.prefix { $0 != "/" }) })

    static func isKnown(_ name: String) -> Bool {
        names.contains(name) || name.wholeMatch(of: /model-\d+-of-\d+\.safetensors/) != nil
    }
}
