internal import ApusFormats
internal import ApusTensor

/// What packed weights depend on: two keys are equal when the same model is packed in the same way.
///
/// A file that is written again, in place or under the same name, has other times. They are the system's own (the second
/// one cannot be set by programs), so that reading a whole model to be sure of it is not needed; where a file system does not
/// keep them, the file's beginning (its table of tensors) and pieces from all over it tell models apart. Where it lies does
/// not count: a model that was linked to or mounted elsewhere is the same.
struct PackedModelKey: Sendable, Equatable {
    /// All of it, in words.
    let text: String

    /// The number of everything that happens to weights between the model's file and a backend's layout: raise it when
    /// decoding, quantising or the order of rows gives other values.
    private static let version = 1
    private static let headBytes = 16 << 20
    private static let pieceBytes = 4096
    private static let pieceCount = 32

    init(text: String) { self.text = text }

    /// nil where the backend's packed weights cannot be kept.
    init?(_ checkpoint: Checkpoint, precision: WeightPrecision, backend: any Backend) {
        guard let layout = backend.weightLayout,
            let linear = try? Self.probe(precision.linearFormat, backend),
            let table = try? Self.probe(precision.headFormat(checkpoint.configuration), backend)
        else { return nil }
        let files = checkpoint.files.map { file in
            "file \(file.count) bytes, written \(file.times.modified), changed \(file.times.changed), "
                + "sample \(Self.sample(of: file).hexadecimal(width: 16))"
        }
        text =
            (["packed \(Self.version)", "precision \(precision.rawValue)", "layout \(layout)"]
            + ["probes \(linear.hexadecimal(width: 16)) \(table.hexadecimal(width: 16))"] + files).joined(
                separator: "\n")
    }

    /// The name of the file that keeps what belongs to the key.
    var name: String {
        var hash = XXHash64()
        hash.update(text)
        return hash.value.hexadecimal(width: 16)
    }

    private static func sample(of file: MappedFile) -> UInt64 {
        // With packed weights at hand nobody reads them again.
        defer { file.discard(0..<file.count) }
        return file.withBytes { bytes in
            var hash = XXHash64()
            let head = min(bytes.count, headBytes)
            hash.update(UnsafeRawBufferPointer(rebasing: bytes[..<head]))
            let rest = bytes.count - head
            for piece in 0..<(rest > 0 ? pieceCount : 0) {
                let begin = head + rest / pieceCount * piece
                hash.update(UnsafeRawBufferPointer(rebasing: bytes[begin..<min(begin + pieceBytes, bytes.count)]))
            }
            return hash.value
        }
    }

    /// A checksum of a small weight as the backend packs it now: a layout that changed shows itself, whatever its number.
    private static func probe(_ format: WeightFormat, _ backend: any Backend) throws -> UInt64 {
        let (outputs, inputs) = (200, 192)
        let weight = try backend.makeWeight(format, outputs: outputs, inputs: inputs) { rows, values in
            for (place, at) in (rows.lowerBound * inputs..<rows.upperBound * inputs).enumerated() {
                let bits = (UInt32(truncatingIfNeeded: at) &+ 1) &* 0x9E37_79B1
                values[place] = Float(bits >> 8) / 0x1p23 - 1
            }
        }
        var hash = XXHash64()
        for part in backend.packedParts(of: weight) { part.withBytes { hash.update($0) } }
        return hash.value
    }
}
