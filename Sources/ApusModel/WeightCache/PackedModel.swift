internal import ApusFormats
internal import ApusTensor

/// The packed weights of one model in a file that is mapped into memory.
///
/// It is a GGUF file whose tensors are bytes: every storage of a weight `NAME` is a tensor `NAME/0`, `NAME/1`, … that begins
/// on a page. `apus.key` holds the key in words. The last tensor, `end`, holds a mark and the checksum of everything before
/// the first tensor: a file without it was not written to its end, or is damaged where it would mislead.
final class PackedModel: SharedBytes {
    private let file: GGUFFile
    private let mapped: MappedFile

    private static let keyName = "apus.key"
    private static let endName = "end"
    private static let endMark = Array("APUS END".utf8)
    /// Whole pages on every system that Apus runs on.
    private static let alignment = 16384

    /// nil when the file is not there or not, in every respect, the one that the key asks for.
    init?(path: String, key: PackedModelKey) {
        guard let file = try? GGUFFile(path: path), let mapped = file.files.first,
            file.metadata[Self.keyName]?.string == key.text,
            let begin = file.entries.values.map(\.byteRange.lowerBound).min(),
            let end = try? file.readBytes(Self.endName)
        else { return nil }
        let checksum = mapped.withBytes { XXHash64.hash(UnsafeRawBufferPointer(rebasing: $0[..<begin])) }
        guard end == Self.end(checksum) else { return nil }
        self.file = file
        self.mapped = mapped
        mapped.readAhead()
    }

    /// The parts of a weight or vector; none when the file does not hold it.
    func parts(of name: String) -> [SharedPart] {
        var parts: [SharedPart] = []
        while let entry = file.entries["\(name)/\(parts.count)"], entry.type == .i8 {
            parts.append(SharedPart(of: self, range: entry.byteRange))
        }
        return parts
    }

    func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R { try mapped.withBytes(body) }

    func release(_ range: Range<Int>) { mapped.discard(range) }

    /// Writes a file of parts by the names of their weights; it appears when it is complete.
    ///
    /// - Throws: `FormatError` with code `unwritable`.
    static func write(_ weights: [(name: String, parts: [any SharedBytes])], key: PackedModelKey, to path: String)
        throws
    {
        var writer = GGUFWriter(alignment: alignment)
        writer.set(keyName, .string(key.text))
        let parts = weights.flatMap(\.parts)
        for weight in weights {
            for (number, part) in weight.parts.enumerated() {
                writer.tensors.append(layout("\(weight.name)/\(number)", part.byteCount))
            }
        }
        writer.tensors.append(layout(endName, end(0).count))
        let header = writer.header()
        var next = parts.makeIterator()
        try writer.writeBytes(to: path) { _, append in
            if let part = next.next() {
                try part.withBytes(append)
            } else {
                try end(header.withUnsafeBytes { XXHash64.hash($0) }).withUnsafeBytes(append)
            }
        }
    }

    private static func layout(_ name: String, _ count: Int) -> TensorLayout {
        TensorLayout(name: name, shape: [count], type: .i8)
    }

    private static func end(_ checksum: UInt64) -> [UInt8] {
        endMark + (0..<8).map { UInt8(truncatingIfNeeded: checksum >> (8 * $0)) }
    }
}
