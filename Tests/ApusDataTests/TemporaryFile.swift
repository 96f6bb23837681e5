import Foundation

/// A file that exists while the closure runs.
func withFile<R>(_ name: String = "data.jsonl", _ bytes: some Sequence<UInt8>, _ body: (String) throws -> R) throws -> R
{
    let folder = FileManager.default.temporaryDirectory.appending(path: "apus-data-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let url = folder.appending(path: name)
    try Data(bytes).write(to: url)
    return try body(url.path(percentEncoded: false))
}
