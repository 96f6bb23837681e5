import Foundation

/// The weights of a Hugging Face folder: `model.safetensors`, or the shards that `model.safetensors.index.json` lists.
public final class ShardedSafetensors: TensorSource {
    /// The folder as it was given.
    public let path: String
    /// Every tensor by name; a byte range counts within the tensor's own shard.
    public let entries: [String: TensorEntry]
    private let shards: [String: SafetensorsFile]
    /// Its files, each once, in the order of their paths.
    public var files: [MappedFile] {
        let byPath = Dictionary(shards.values.map { ($0.path, $0.file) }) { first, _ in first }
        return byPath.sorted { $0.key < $1.key }.map(\.value)
    }

    /// Opens the weights in the folder at `directory`.
    ///
    /// - Throws: `FormatError`: `missing` when there are no weights or the index names a tensor that its shard lacks,
    ///   `unsafePath` when the index points outside the folder, and whatever opening a shard throws.
    public init(directory: String) throws(FormatError) {
        path = directory
        let folder = URL(filePath: directory, directoryHint: .isDirectory)
        let single = folder.appending(path: "model.safetensors").path(percentEncoded: false)
        let index = folder.appending(path: "model.safetensors.index.json").path(percentEncoded: false)
        if FileManager.default.fileExists(atPath: single) {
            let file = try SafetensorsFile(path: single)
            entries = file.entries
            shards = file.entries.mapValues { _ in file }
        } else if FileManager.default.fileExists(atPath: index) {
            (entries, shards) = try Self.open(ShardIndex(path: index), in: folder)
        } else {
            let message =
                "holds neither model.safetensors nor model.safetensors.index.json; "
                + "give a Hugging Face folder or a .gguf file"
            throw FormatError(.missing, file: directory, message)
        }
    }

    /// Decodes rows of a tensor to fp32; see `TensorSource`.
    ///
    /// - Throws: `FormatError` with code `missing` when there is no such tensor.
    public func read(
        _ name: String, rows: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>
    ) throws(FormatError) {
        try shard(of: name).read(name, rows: rows, into: destination)
    }

    /// The bytes of a tensor as they are stored.
    ///
    /// - Throws: `FormatError` with code `missing` when there is no such tensor.
    public func readBytes(_ name: String) throws(FormatError) -> [UInt8] {
        try shard(of: name).readBytes(name)
    }

    /// Releases the resident file pages of a tensor.
    public func discardPages(of name: String) { shards[name]?.discardPages(of: name) }

    private func shard(of name: String) throws(FormatError) -> SafetensorsFile {
        guard let file = shards[name] else {
            throw FormatError(
                .missing, file: path, "tensor '\(name)' is not in the folder (it holds \(entries.count) tensors)")
        }
        return file
    }

    private static func open(
        _ index: ShardIndex, in folder: URL
    ) throws(FormatError) -> (entries: [String: TensorEntry], files: [String: SafetensorsFile]) {
        var shards: [String: SafetensorsFile] = [:]
        var entries: [String: TensorEntry] = [:]
        var files: [String: SafetensorsFile] = [:]
        for (tensor, name) in index.weightMap.sorted(by: { $0.key < $1.key }) {
            let shard: SafetensorsFile
            if let known = shards[name] {
                shard = known
            } else {
                shard = try SafetensorsFile(path: folder.appending(path: name).path(percentEncoded: false))
                shards[name] = shard
            }
            entries[tensor] = try shard.entry(tensor)
            files[tensor] = shard
        }
        return (entries, files)
    }
}

/// `model.safetensors.index.json`: which shard holds which tensor.
struct ShardIndex {
    private(set) var weightMap: [String: String] = [:]

    init(path: String) throws(FormatError) {
        try self.init(MappedFile(path: path).withBytes { [UInt8]($0) }, path: path)
    }

    /// Reads the bytes of the file at `path`.
    init(_ bytes: [UInt8], path: String) throws(FormatError) {
        do throws(JSONReader.Failure) {
            var reader = JSONReader(bytes)
            try parse(&reader)
        } catch {
            throw FormatError(.malformed, file: path, "not a shard index at byte \(error.offset): \(error.message)")
        }
        for name in weightMap.values
        where name.isEmpty || name.contains("/") || name.contains("\0") || name.hasPrefix(".") {
            throw FormatError(
                .unsafePath, file: path, "names the shard '\(name)', wanted the plain name of a file in this folder")
        }
    }

    private mutating func parse(_ reader: inout JSONReader) throws(JSONReader.Failure) {
        var found = false
        try reader.beginObject()
        while let key = try reader.nextKey() {
            guard key == "weight_map" else {
                try reader.skipValue()
                continue
            }
            found = true
            weightMap = try SafetensorsHeader.texts(&reader)
        }
        try reader.end()
        guard found else { throw JSONReader.Failure(offset: reader.offset, message: "'weight_map' is missing") }
    }
}
