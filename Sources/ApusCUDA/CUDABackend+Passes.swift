public import ApusTensor

extension CUDABackend {
    /// See `Backend`.
    public func prepare(_ batch: PackedBatch, for needs: PassNeeds) throws -> Pass {
        let pages = batch.writtenPages
        for room in needs.pages.map(\.room) { for page in pages { try room.fill(Int(page)) } }
        try prepareFetch(rows: batch.rows, needs)
        let pass = try CUDAPass(batch, for: needs, on: self)
        if let head = needs.head { try reserveHead(head) }
        try reserveScratch(max(Self.gradientBytes, pass.attention.scratchBytes))
        if needs.isTraining { try reserveProducts() }
        return pass
    }

    /// The numbers of a pass on the card: where those of the pass before were, if nobody has that any more, so that a step
    /// of decoding reads them at the addresses of the step before.
    func makePassIndices(_ numbers: [Int32]) throws -> Indices {
        if passRoom.map({ $0.count < numbers.count }) ?? true || !isKnownUniquelyReferenced(&passRoom) {
            let grain = Self.passGrain
            passRoom = try CUDAStorage(count: (numbers.count + grain - 1) / grain * grain, in: memory)
        }
        guard let passRoom else { preconditionFailure("made above") }
        numbers.withUnsafeBytes { copy($0, to: passRoom.address) }
        return Indices(storage: passRoom, range: 0..<numbers.count)
    }

    private static let passGrain = 1 << 14

    /// Rows that a pass may write are fetched anew; where it goes back, there is room for them.
    private func prepareFetch(rows: Int, _ needs: PassNeeds) throws(TensorError) {
        guard let rowFetch else { return }
        for kept in needs.pages.compactMap({ $0 as? CUDAKeptRows }) where kept.isOnHost {
            try rowFetch.forget(kept)
            if needs.isTraining { try rowFetch.reserve(rows * CUDAKeptRows.rowBytes(kept.shape)) }
        }
    }

    /// See `Backend`.
    public func scratchBytes(
        _ shape: KeyValueCache.Shape, maxContext: Int, vocabularySize: Int, hiddenSize: Int
    ) -> Int {
        // Two rows of logits for each row that is drawn from, of the most that are drawn from together.
        let sampling = 8 * vocabularySize * 32
        return max(sampling, AttentionTiles.Splits.largest, Self.gradientBytes)
            + Self.headBytes(hiddenSize: hiddenSize, vocabularySize: vocabularySize)
            + (blas == nil ? 0 : productLimits.byteCount)
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
