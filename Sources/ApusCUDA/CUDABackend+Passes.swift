public import ApusTensor

extension CUDABackend {
    /// See `Backend`.
    public func prepare(_ batch: PackedBatch, for needs: PassNeeds) throws -> Pass {
        let pages = batch.writtenPages
        for room in needs.pages.map(\.room) { for page in pages { try room.fill(Int(page)) } }
        let pass = try CUDAPass(batch, for: needs, on: self)
        if let head = needs.head { try reserveHead(head) }
        try reserveScratch(max(Self.gradientBytes, pass.attention.scratchBytes))
        return pass
    }

    /// See `Backend`.
    public func scratchBytes(
        _ shape: KeyValueCache.Shape, maxContext: Int, vocabularySize: Int, hiddenSize: Int
    ) -> Int {
        // Two rows of logits for each row that is drawn from, of the most that are drawn from together.
        let sampling = 8 * vocabularySize * 32
        return max(sampling, AttentionTiles.Splits.largest, Self.gradientBytes)
            + Self.headBytes(hiddenSize: hiddenSize, vocabularySize: vocabularySize)
    }

    /// The most that gradients of weights work in between their kernels: parts of sums, and a number for each row.
    private static let gradientBytes = RowSums.partsBytes + (1 << 20)
}

/// Where rows go through a head some at a time.
struct CUDAHeadRoom {
    /// [rows][hidden].
    let states: Matrix
    /// [rows][vocabulary].
    let logits: Matrix
}
