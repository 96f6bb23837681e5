import ApusData
import ApusFormats
public import Foundation

/// Rows that data functions made, kept in a folder for the next run of the same functions on the same data.
///
/// A file is named by the SHA-256 of everything that its rows were made of: the source of the functions' files, the rows that they
/// were given, and the tokenizer. Modules that such a file imports do not count, nor does what else it reads.
public struct RowCache: Sendable {
    /// The folder; it is made when something is first kept.
    public let directory: URL
    /// What all files may take; the oldest go first.
    public var sizeLimit = 1 << 30

    /// A cache in a folder.
    public init(directory: URL) { self.directory = directory }

    /// The name of what functions make of rows; nil where a function's source cannot be read.
    func key(_ functions: DataFunctions, of given: [JSONValue]?, tokenizer: String) -> String? {
        var hash = SHA256()
        func add(_ bytes: some Sequence<UInt8>) {
            let bytes = Array(bytes)
            hash.update("\(bytes.count);".utf8)
            hash.update(bytes)
        }
        add("1".utf8)
        for (role, function) in functions.byRole {
            guard let function else { continue }
            guard case .file(let path) = function.source, let source = FileManager.default.contents(atPath: path) else {
                return nil
            }
            add(role.utf8)
            add(function.name.utf8)
            add(source)
        }
        add(tokenizer.utf8)
        for row in given ?? [] { add(JSONWriter.ordered.write(row).utf8) }
        return hash.hexadecimal
    }

    /// The rows under a name; nil where there are none, or a damaged file.
    func rows(_ key: String) -> [JSONValue]? {
        guard let data = FileManager.default.contents(atPath: file(key).path) else { return nil }
        var lines = data.split(separator: UInt8(ascii: "\n"))
        // The last line says how many there are: a file that was cut off is none.
        guard let last = lines.popLast(), String(decoding: last, as: UTF8.self) == "\(lines.count)" else { return nil }
        let rows = lines.compactMap { try? JSONValue(json: $0) }
        return rows.count == lines.count ? rows : nil
    }

    /// Keeps rows. That a place cannot be written is no error: they are made again.
    func keep(_ rows: [JSONValue], as key: String) {
        var text = ""
        for row in rows { text += JSONWriter.ordered.write(row) + "\n" }
        let data = Data((text + "\(rows.count)\n").utf8)
        guard data.count <= sizeLimit else { return }
        try? FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        makeRoom(for: data.count)
        try? data.write(to: file(key), options: .atomic)
    }

    private func file(_ key: String) -> URL { directory.appending(path: key + ".jsonl") }

    private func makeRoom(for bytes: Int) {
        let keys: Set<URLResourceKey> = [.fileSizeKey, .contentModificationDateKey]
        let files =
            (try? FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: Array(keys))) ?? []
        let kept = files.filter { $0.pathExtension == "jsonl" }.compactMap {
            url -> (url: URL, size: Int, date: Date)? in
            guard let values = try? url.resourceValues(forKeys: keys), let size = values.fileSize,
                let date = values.contentModificationDate
            else { return nil }
            return (url, size, date)
        }
        var total = kept.reduce(bytes) { $0 + $1.size }
        for file in kept.sorted(by: { $0.date < $1.date }) where total > sizeLimit {
            try? FileManager.default.removeItem(at: file.url)
            total -= file.size
        }
    }
}
