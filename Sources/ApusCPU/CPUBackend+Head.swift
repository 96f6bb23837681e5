public import ApusTensor
internal import CKernels

extension CPUBackend {
    /// Rows that go through the head together; the logits of a tile of the vocabulary for them stay in cache.
    static let headRows = 96
    static let tile = Int(APUS_VOCABULARY_TILE)

    /// See `Backend`.
    public func logits(
        _ hidden: Matrix, head: OutputHead, adapter: (lowRank: LowRank, projected: Matrix)?, into logits: Matrix
    ) {
        precondition(logits.rows == hidden.rows && logits.columns == head.weight.outputs, "shapes differ")
        if let (lowRank, projected) = adapter {
            let product = LinearProduct(
                weight: head.weight, bias: nil, lowRank: lowRank, projected: projected, output: logits)
            linear(hidden, [product])
        } else {
            let own = head.weight.cpu
            let rows = productRows(hidden, slot: 0, form: own.inputForm)
            round(rows, 0..<hidden.rows)
            let (weight, to) = (own.packed, logits.pointer)
            split(own.panels) { thread, panels in
                self.forward(weight, rows.all, into: to, panels: panels, thread: thread)
            }
        }
        guard !head.isPlain else { return }
        let to = logits.pointer
        split(logits.rows, work: 8 * logits.rows * logits.columns) { _, rows in
            self.kernels.head.cap(
                to + rows.lowerBound * logits.columns, rows.count * logits.columns, head.scale, head.softCap ?? 0)
        }
    }

    /// See `Backend`.
    public func score(_ logits: Matrix, tokens: Indices, temperature: Float, into scores: Matrix) {
        precondition(logits.rows == tokens.count, "one row a token")
        let (from, scores) = (logits.pointer, ScoreRows(scores, count: tokens.count))
        for (row, token) in tokens.numbers.enumerated() {
            scores[row] = score(from + row * logits.columns, logits.columns, token, temperature)
        }
    }

    /// See `Backend`.
    public func likeliest(_ logits: Matrix) -> [Int32] {
        let (from, width) = (logits.pointer, logits.columns)
        return (0..<logits.rows).map { row in
            let values = from + row * width
            var best = 0
            for index in 0..<width where values[index] > values[best] { best = index }
            return Int32(best)
        }
    }

    /// The score of a token by its row of logits, with the sums of `score`: by tiles.
    func score(
        _ logits: UnsafePointer<Float>, _ count: Int, _ token: Int32, _ temperature: Float
    ) -> HeadScore {
        let summaries = stride(from: 0, to: count, by: Self.tile).map { first in
            kernels.head.summarize(logits + first, Int32(min(Self.tile, count - first)), 1 / temperature)
        }
        var score = HeadScore(logProb: logits[Int(token)] * (1 / temperature), entropy: 0, logSumExp: 0)
        finish(&score, summaries[...])
        return score
    }

    /// See `Backend`. A task is a block of targets over the whole vocabulary, so no reduction crosses threads.
    public func score(
        _ hidden: Matrix, _ targets: HeadTargets, head: OutputHead, temperature: Float, into scores: Matrix
    ) {
        let (vocabulary, weight) = (head.weight.outputs, head.weight.cpu)
        let tiles = (vocabulary + Self.tile - 1) / Self.tile
        let blocks = headBlocks(targets.count)
        let (rows, tokens) = (targets.rows.numbers, targets.tokens.numbers)
        let scores = ScoreRows(scores, count: targets.count)
        deal(blocks) { thread, block in
            let range = targets.count * block / blocks..<targets.count * (block + 1) / blocks
            let buffer = self.headBuffer(thread, weight)
            let logits = buffer.logits.values
            self.take(hidden, rows, range, into: buffer)
            var summaries = [apus_tile_summary](repeating: apus_tile_summary(), count: tiles * range.count)
            for tile in 0..<tiles {
                let first = tile * Self.tile
                let count = min(Self.tile, vocabulary - first)
                self.tileLogits(buffer, range.count, head: head, first: first, count: count, thread: thread)
                for row in 0..<range.count {
                    let values = logits + row * Self.tile
                    summaries[row * tiles + tile] = self.kernels.head.summarize(values, Int32(count), 1 / temperature)
                    let target = Int(tokens[tokens.startIndex + range.lowerBound + row]) - first
                    if target >= 0, target < count {
                        scores[range.lowerBound + row].logProb = values[target] * (1 / temperature)
                    }
                }
            }
            for row in 0..<range.count {
                self.finish(&scores[range.lowerBound + row], summaries[row * tiles..<(row + 1) * tiles])
            }
        }
    }

    /// Turns the target's tempered logit into its score.
    private func finish(_ score: inout HeadScore, _ summaries: ArraySlice<apus_tile_summary>) {
        summaries.withUnsafeBufferPointer {
            kernels.head.combine($0.baseAddress, Int32($0.count), &score.logSumExp, &score.entropy)
        }
        score.logProb -= score.logSumExp
    }

    /// See `Backend`. The logits are computed again, a tile at a time; they were never kept.
    public func scoreBackward(
        _ hidden: Matrix, _ targets: HeadTargets, scores: Matrix, gradients: Matrix, head: OutputHead,
        temperature: Float, into dHidden: Matrix
    ) {
        precondition(dHidden.rows == targets.count, "one row a target")
        let (vocabulary, weight) = (head.weight.outputs, head.weight.cpu)
        let tiles = (vocabulary + Self.tile - 1) / Self.tile
        let blocks = headBlocks(targets.count)
        let (rows, tokens) = (targets.rows.numbers, targets.tokens.numbers)
        let gradient = LogitGradient(self, scores, gradients, count: targets.count, head, temperature)
        let (to, width) = (dHidden.pointer, dHidden.columns)
        deal(blocks) { thread, block in
            let range = targets.count * block / blocks..<targets.count * (block + 1) / blocks
            let buffer = self.headBuffer(thread, weight)
            let logits = buffer.logits.values
            self.take(hidden, rows, range, into: buffer)
            for tile in 0..<tiles {
                let first = tile * Self.tile
                let count = min(Self.tile, vocabulary - first)
                self.tileLogits(buffer, range.count, head: head, first: first, count: count, thread: thread)
                for row in 0..<range.count {
                    let token = tokens[tokens.startIndex + range.lowerBound + row]
                    gradient.replace(
                        logits + row * Self.tile, count, target: Int(token) - first, row: range.lowerBound + row)
                }
                self.round(buffer.logits, 0..<range.count, columns: count)
                self.backward(
                    weight.packed, buffer.logits.part(0..<range.count), outputs: first..<first + count,
                    into: to + range.lowerBound * width, accumulate: tile > 0, thread: thread)
            }
        }
    }

    /// See `Backend`.
    public func logitsBackward(
        _ logits: Matrix, tokens: Indices, scores: Matrix, gradients: Matrix, head: OutputHead, temperature: Float
    ) {
        precondition(logits.rows == tokens.count, "one row a token")
        let gradient = LogitGradient(self, scores, gradients, count: tokens.count, head, temperature)
        let (values, width, tokens) = (logits.pointer, logits.columns, tokens.numbers)
        split(tokens.count, work: 16 * tokens.count * width) { _, rows in
            for row in rows {
                gradient.replace(
                    values + row * width, width, target: Int(tokens[tokens.startIndex + row]), row: row)
            }
        }
    }

    /// Copies the targets' hidden states to the start of a buffer and rounds them where the head asks for it.
    private func take(_ hidden: Matrix, _ rows: ArraySlice<Int32>, _ range: Range<Int>, into buffer: HeadBuffer) {
        let (from, to, width) = (hidden.pointer, buffer.hidden.values, hidden.columns)
        for (place, index) in range.enumerated() {
            (to + place * width).update(from: from + Int(rows[rows.startIndex + index]) * width, count: width)
        }
        round(buffer.hidden, 0..<range.count)
    }

    private func tileLogits(
        _ buffer: HeadBuffer, _ rows: Int, head: OutputHead, first: Int, count: Int, thread: Int
    ) {
        let width = Int(kernels.linear.panel_width)
        withUnsafePointer(to: head.weight.cpu.packed) { packed in
            withUnsafePointer(to: buffer.hidden.part(0..<rows)) {
                // The kernel addresses outputs from 0; step back so that the tile's first output lands in column 0.
                kernels.linear.forward(
                    packed, $0, nil, buffer.logits.values - first, Self.tile, 0, Int32(first / width),
                    Int32((first + count + width - 1) / width), scratch(thread))
            }
        }
        guard !head.isPlain else { return }
        for row in 0..<rows {
            kernels.head.cap(buffer.logits.values + row * Self.tile, count, head.scale, head.softCap ?? 0)
        }
    }

    /// Blocks of at most `headRows` targets, as many for each thread as for the others.
    private func headBlocks(_ targets: Int) -> Int {
        let turns = (targets + Self.headRows * pool.threads - 1) / (Self.headRows * pool.threads)
        return min(targets, turns * pool.threads)
    }

    /// Bytes of one thread's buffers for the head: hidden states and a tile of logits, in fp32 and rounded.
    static func headBytes(hiddenSize: Int) -> Int { 2 * MemoryLayout<Float>.stride * headRows * (hiddenSize + tile) }
}
