import ApusFormats
import ApusModel

/// A model's weights with an adapter added to them, read in pieces: the stored weight as fp32, plus `scale * B A` in fp32.
///
/// Nothing is rounded here; whoever writes the values rounds them once.
struct MergedWeights: Sendable {
    let checkpoint: Checkpoint
    let adapter: AdapterFile?

    /// Prepares one tensor.
    func tensor(_ tensor: ModelTensor) throws -> MergedTensor {
        MergedTensor(
            checkpoint: checkpoint, role: tensor.role, shape: tensor.shape, update: try adapter?.update(of: tensor.role)
        )
    }
}

/// One tensor of merged weights.
struct MergedTensor: Sendable {
    let checkpoint: Checkpoint
    let role: TensorRole
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
        try values.withUnsafeMutableBufferPointer { try checkpoint.read(role, rows: rows, into: $0) }
        update?.add(to: &values, rows: rows)
        return values
    }

    /// Rows as they lie in a container; the elements of a vector are what is put in order.
    func rows(_ rows: Range<Int>, in layout: CheckpointLayout) throws -> [Float] {
        guard let order = layout.rowOrder(of: role) else {
            let excess = layout.excess(of: role)
            let values = try self.rows(rows)
            return excess == 0 ? values : values.map { $0 + excess }
        }
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
