internal import ApusTensor

/// A batch on the card, as the kernels look it up.
///
/// `@unchecked Sendable`: as `Pass`.
final class CUDAPass: Pass, @unchecked Sendable {
    let positions: Indices
    let slots: Indices
    let writeRows: Indices
    let writeSlots: Indices
    /// The pages that rows see.
    let tables: Indices
    /// How its kernels walk over the rows.
    let attention: CUDAAttention

    init(_ batch: PackedBatch, for needs: PassNeeds, on backend: CUDABackend) throws {
        attention = try CUDAAttention(batch, needs, on: backend)
        positions = try backend.makeIndices(batch.positions)
        slots = try backend.makeIndices(batch.slots)
        writeRows = try backend.makeIndices(batch.writeRows)
        writeSlots = try backend.makeIndices(batch.writeSlots)
        tables = try backend.makeIndices(batch.visible.tables)
        super.init(batch, tokens: try backend.makeIndices(batch.tokens))
    }
}

extension Pass {
    /// As this backend made it.
    var cuda: CUDAPass { ownHandle(self) }
}
