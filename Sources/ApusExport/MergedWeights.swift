import ApusFormats
import ApusModel

/// A model's weights with an adapter added to them, read in pieces: the stored weight as fp32, plus `scale * B A` in fp32.
///
/// Nothing is rounded here; whoever writes the values rounds them once.
struct MergedWeights: Sendable {
    let checkpoint: Checkpoint
    let adapter: AdapterFile?

    /// Prepares one tensor under its Hugging Face name.
    func tensor(_ name: String, shape: [Int]) throws -> MergedTensor {
        MergedTensor(checkpoint: checkpoint, name: name, shape: shape, update: try adapter?.update(of: name))
    }
}

/// One tensor of merged weights.
struct MergedTensor: Sendable {
    let checkpoint: Checkpoint
    let name: String
    /// `[out, in]`, or the length of a vector.
    let shape: [Int]
    let update: LowRankUpdate?

    /// Rows that can be asked for; a vector is one.
    var rowCount: Int { shape.count < 2 ? 1 : shape[0] }
    /// Elements in a row.
    var width: Int { shape.last ?? 1 }

    /// Some rows in Hugging Face order.
    func rows(_ rows: Range<Int>) throws -> [Float] {
        var values = [Float](repeating: 0, count: rows.count * width)
        try values.withUnsafeMutableBufferPointer { try checkpoint.read(name, rows: rows, into: $0) }
        update?.add(to: &values, rows: rows)
        return values
    }

    /// Rows as they lie in a GGUF file; the elements of a vector are what is put in order.
    func rows(_ rows: Range<Int>, order: InterleavedRows) throws -> [Float] {
        guard shape.count > 1 else {
            let values = try self.rows(rows)
            return values.indices.map { values[order.row(storedAt: $0)] }
        }
        var values: [Float] = []
        values.reserveCapacity(rows.count * width)
        for stored in rows {
            let row = order.row(storedAt: stored)
            values += try self.rows(row..<row + 1)
        }
        return values
    }
}
