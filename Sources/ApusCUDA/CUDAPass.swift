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
        let kernels = try AttentionKernels(needs.cache)
        let tiles = AttentionTiles(batch, kernels, isTraining: needs.isTraining)
        // One copy to the card. The tables, whose length changes from step to step, come last: what lies before them stays
        // where it is.
        let lists =
            [batch.tokens, batch.positions, batch.slots, batch.writeRows, batch.writeSlots] + tiles.lists
            + [batch.visible.tables]
        let numbers = try backend.makePassIndices(lists.flatMap(\.self))
        var end = 0
        let parts = lists.map { list in
            defer { end += list.count }
            return numbers[end..<end + list.count]
        }
        (positions, slots, writeRows, writeSlots, tables) = (
            parts[1], parts[2], parts[3], parts[4], parts[parts.count - 1]
        )
        attention = CUDAAttention(
            tiles, Array(parts[5..<parts.count - 1]), kernels, batch, isTraining: needs.isTraining)
        super.init(batch, tokens: parts[0])
    }
}

extension Pass {
    /// As this backend made it.
    var cuda: CUDAPass { ownHandle(self) }
}
