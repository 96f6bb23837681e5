internal import ApusTensor

/// A batch as the kernels look it up. Their page numbers and slots count pages of one layer.
final class CPUPass: Pass, @unchecked Sendable {
    let positions: [Int32]
    let slots: [Int32]
    /// The pages that rows see, for the kernels.
    let visible: Visibility
    let writeRows: [Int32]
    /// For the kernels.
    let writeSlots: [Int32]
    let segments: [Segment]
    /// Where each segment's part of `prefixCount` values begins: what it adds to the gradients of its prompt's keys and values.
    let prefixOffsets: [Int]

    init(_ batch: PackedBatch, _ needs: PassNeeds) {
        let layers = Int32(needs.cache.layers)
        let pageTokens = Int32(KeyValueCache.pageTokens)
        positions = batch.positions
        slots = batch.slots
        var visible = batch.visible
        if layers > 1 { for index in visible.tables.indices { visible.tables[index] *= layers } }
        self.visible = visible
        writeRows = batch.writeRows
        writeSlots = batch.writeSlots.map { $0 / pageTokens * pageTokens * layers + $0 % pageTokens }
        segments = batch.segments
        let width = 2 * needs.cache.keyValueHeads * needs.cache.headSize
        var offsets = [0]
        if needs.isTraining {
            for segment in batch.segments { offsets.append(offsets[offsets.count - 1] + segment.firstPosition * width) }
        }
        prefixOffsets = offsets
        super.init(batch, tokens: Indices(storage: CPUIndices(numbers: batch.tokens)))
    }

    /// Values that completions add to the gradients of their prompts' keys and values.
    var prefixCount: Int { prefixOffsets[prefixOffsets.count - 1] }
}

extension Pass {
    /// As this backend made it.
    var cpu: CPUPass { ownHandle(self) }
}

/// The tokens of sequences in main memory.
final class CPUTokenHistory: TokenHistory, @unchecked Sendable {
    var tokens: [[Int32]]

    override init(lines: Int) {
        tokens = Array(repeating: [], count: lines)
        super.init(lines: lines)
    }
}

extension TokenHistory {
    /// As this backend made it.
    var cpu: CPUTokenHistory { ownHandle(self) }
}
