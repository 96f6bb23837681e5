import Foundation

/// What an earlier run left in an output folder is never written over by one that starts afresh.
enum EarlierFile {
    /// Renames a file or a folder, if it is there, to the first free of `name.previous.ext`, `name.previous-2.ext` and so on.
    static func setAside(_ url: URL) throws {
        let manager = FileManager.default
        guard manager.fileExists(atPath: url.path) else { return }
        let name = url.deletingPathExtension().lastPathComponent
        let ending = url.pathExtension.isEmpty ? "" : ".\(url.pathExtension)"
        var number = 1
        while true {
            let mark = number == 1 ? ".previous" : ".previous-\(number)"
            let place = url.deletingLastPathComponent().appending(path: name + mark + ending)
            if !manager.fileExists(atPath: place.path) { return try manager.moveItem(at: url, to: place) }
            number += 1
        }
    }
}
