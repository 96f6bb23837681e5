public import ApusTensor
internal import CCUDA

extension KernelName {
    static let capLogits = KernelName("apus_cap_logits")
    static let score = KernelName("apus_score")
    static let logitsBackward = KernelName("apus_logits_backward")
    static let likeliest = KernelName("apus_likeliest")
}

extension CUDABackend {
    private static let headThreads = 256
    /// Blocks that share a row where one would leave the card idle.
    private static let blocksPerRow = 16
    /// Bytes of logits that targets go through together.
    private static let logitBytes = 64 << 20

    /// See `Backend`.
    public func logits(
        _ hidden: Matrix, head: OutputHead, adapter: (lowRank: LowRank, projected: Matrix)?, into logits: Matrix
    ) { self.logits(hidden, head: head, adapter: adapter, into: logits, for: .scores) }

    private func logits(
        _ hidden: Matrix, head: OutputHead, adapter: (lowRank: LowRank, projected: Matrix)?, into logits: Matrix,
        for use: ProductUse
    ) {
        let (lowRank, projected) = (adapter?.lowRank, adapter?.projected)
        linear(
            hidden,
            [LinearProduct(weight: head.weight, bias: nil, lowRank: lowRank, projected: projected, output: logits)],
            for: use)
        guard !head.isPlain else { return }
        launch(
            .capLogits, blocks: min(pieces(logits.count, Self.headThreads), 4096), threads: Self.headThreads,
            logits.argument, .long(logits.count), .float(head.scale), .float(head.softCap ?? 0))
    }

    /// See `Backend`.
    public func likeliest(_ logits: Matrix) throws -> [Int32] {
        let places = try CUDAStorage(count: logits.rows, in: memory)
        launch(
            .likeliest, blocks: logits.rows, threads: Self.headThreads, logits.argument, .pointer(places.address),
            .integer(logits.columns))
        return try downloaded(places.address, logits.rows, of: Int32(0))
    }

    /// See `Backend`.
    public func score(_ logits: Matrix, tokens: Indices, temperature: Float, into scores: Matrix) {
        precondition(logits.rows == tokens.count && scores.rows == tokens.count, "one row a token")
        launch(
            .score, blocks: logits.rows, threads: Self.headThreads, logits.argument, tokens.argument, scores.argument,
            .integer(logits.columns), .float(1 / temperature))
    }

    /// See `Backend`.
    public func score(
        _ hidden: Matrix, _ targets: HeadTargets, head: OutputHead, temperature: Float, into scores: Matrix
    ) {
        forEachLogits(hidden, targets, head, for: .scores) { range, _, logits in
            score(logits, tokens: targets[range].tokens, temperature: temperature, into: scores.rows(range))
        }
    }

    /// See `Backend`.
    public func scoreBackward(
        _ hidden: Matrix, _ targets: HeadTargets, scores: Matrix, gradients: Matrix, head: OutputHead,
        temperature: Float, into dHidden: Matrix
    ) {
        precondition(dHidden.rows == targets.count, "one row a target")
        forEachLogits(hidden, targets, head, for: .gradients) { range, states, logits in
            logitsBackward(
                logits, tokens: targets[range].tokens, scores: scores.rows(range), gradients: gradients.rows(range),
                head: head, temperature: temperature)
            linearBackward(
                [LinearGradient(dOutput: logits, weight: head.weight, adapter: nil)], input: states,
                dx: dHidden.rows(range), accumulate: false)
        }
    }

    /// See `Backend`.
    public func logitsBackward(
        _ logits: Matrix, tokens: Indices, scores: Matrix, gradients: Matrix, head: OutputHead, temperature: Float
    ) {
        precondition(logits.rows == tokens.count && scores.rows == tokens.count, "one row a token")
        launch(
            .logitsBackward, blocks: min(pieces(logits.columns, Self.headThreads), Self.blocksPerRow), logits.rows,
            threads: Self.headThreads, logits.argument, tokens.argument, scores.argument, gradients.argument,
            .integer(logits.columns), .float(1 / temperature), .float(head.scale), .float(head.softCap ?? 0))
    }

    /// Calls `body` with some targets at a time, their hidden states and their logits, in the head's room.
    private func forEachLogits(
        _ hidden: Matrix, _ targets: HeadTargets, _ head: OutputHead, for use: ProductUse,
        _ body: (Range<Int>, Matrix, Matrix) -> Void
    ) {
        let room = headRoom(head)
        for first in stride(from: 0, to: targets.count, by: room.logits.rows) {
            let range = first..<min(first + room.logits.rows, targets.count)
            let (states, logits) = (room.states.rows(0..<range.count), room.logits.rows(0..<range.count))
            gather(hidden, targets[range].rows, into: states)
            self.logits(states, head: head, adapter: nil, into: logits, for: use)
            body(range, states, logits)
        }
    }

    /// Rows whose logits are in memory together.
    static func headRows(vocabularySize: Int) -> Int { max(1, min(512, logitBytes / (4 * vocabularySize))) }

    /// Bytes of the room that a head's rows go through.
    static func headBytes(hiddenSize: Int, vocabularySize: Int) -> Int {
        4 * headRows(vocabularySize: vocabularySize) * (hiddenSize + vocabularySize)
    }
}
