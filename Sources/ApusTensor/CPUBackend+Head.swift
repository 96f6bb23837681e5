internal import CKernels

extension CPUBackend {
    /// Rows that go through the head together; the logits of a tile of the vocabulary for them stay in cache.
    private static let headRows = 96
    private static let tile = Int(APUS_VOCABULARY_TILE)

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
            let rows = productRows(hidden, slot: 0, form: head.weight.inputForm)
            round(rows, 0..<hidden.rows)
            let (weight, to) = (head.weight.packed, logits.pointer)
            split(head.weight.panels) { thread, panels in
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
    public func score(_ logits: Matrix, targets: ArraySlice<HeadTarget>, temperature: Float) -> [HeadScore] {
        precondition(logits.rows == targets.count, "one row a target")
        let from = logits.pointer
        return targets.enumerated().map { row, target in
            score(from + row * logits.columns, logits.columns, target.token, temperature)
        }
    }

    /// The score of a token by its row of logits, with the sums of `score`: by tiles.
    private func score(
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
        _ hidden: Matrix, targets: [HeadTarget], head: OutputHead, temperature: Float
    ) throws -> [HeadScore] {
        var scores = [HeadScore](repeating: HeadScore(logProb: 0, entropy: 0, logSumExp: 0), count: targets.count)
        let vocabulary = head.weight.outputs
        let tiles = (vocabulary + Self.tile - 1) / Self.tile
        let blocks = headBlocks(targets.count)
        let buffers = try headBuffers(blocks, head.weight)
        scores.withUnsafeMutableBufferPointer { scores in
            let scores = UncheckedBuffer(scores)
            deal(blocks) { thread, block in
                let range = targets.count * block / blocks..<targets.count * (block + 1) / blocks
                let buffer = buffers[thread]
                let logits = buffer.logits.values
                self.take(hidden, targets[range], into: buffer)
                var summaries = [apus_tile_summary](repeating: apus_tile_summary(), count: tiles * range.count)
                for tile in 0..<tiles {
                    let first = tile * Self.tile
                    let count = min(Self.tile, vocabulary - first)
                    self.tileLogits(buffer, range.count, head: head, first: first, count: count, thread: thread)
                    for row in 0..<range.count {
                        let values = logits + row * Self.tile
                        summaries[row * tiles + tile] = self.kernels.head.summarize(
                            values, Int32(count), 1 / temperature)
                        let target = Int(targets[range.lowerBound + row].token) - first
                        if target >= 0, target < count {
                            scores.buffer[range.lowerBound + row].logProb = values[target] * (1 / temperature)
                        }
                    }
                }
                for row in 0..<range.count {
                    self.finish(
                        &scores.buffer[range.lowerBound + row], summaries[row * tiles..<(row + 1) * tiles])
                }
            }
        }
        return scores
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
        _ hidden: Matrix, targets: [HeadTarget], scores: [HeadScore], dLogProb: [Float], dEntropy: [Float]?,
        head: OutputHead, temperature: Float, into dHidden: Matrix
    ) throws {
        precondition(dHidden.rows == targets.count && scores.count == targets.count, "one row a target")
        let vocabulary = head.weight.outputs
        let tiles = (vocabulary + Self.tile - 1) / Self.tile
        let blocks = headBlocks(targets.count)
        let buffers = try headBuffers(blocks, head.weight)
        deal(blocks) { thread, block in
            let range = targets.count * block / blocks..<targets.count * (block + 1) / blocks
            let buffer = buffers[thread]
            let logits = buffer.logits.values
            self.take(hidden, targets[range], into: buffer)
            let dRows = dHidden.rows(range).pointer
            for tile in 0..<tiles {
                let first = tile * Self.tile
                let count = min(Self.tile, vocabulary - first)
                self.tileLogits(buffer, range.count, head: head, first: first, count: count, thread: thread)
                for row in 0..<range.count {
                    let i = range.lowerBound + row
                    self.kernels.head.gradient(
                        logits + row * Self.tile, Int32(count), 1 / temperature, scores[i].logSumExp,
                        scores[i].entropy, Int32(Int(targets[i].token) - first), dLogProb[i], dEntropy?[i] ?? 0,
                        head.scale, head.softCap ?? 0)
                }
                self.round(buffer.logits, 0..<range.count, columns: count)
                self.backward(
                    head.weight.packed, buffer.logits.part(0..<range.count), outputs: first..<first + count,
                    into: dRows,
                    accumulate: tile > 0, thread: thread)
            }
        }
    }

    /// See `Backend`.
    public func sample(_ logits: Matrix, rows: [SamplingRow], scoreTemperature: Float) throws -> [SampledToken] {
        precondition(rows.count == logits.rows, "one rule a row")
        // Two rows: the logits that the filters change, and their own scratch.
        try reserveScratch(Self.samplingScratch(logits.columns))
        let nothing = SampledToken(token: -1, score: HeadScore(logProb: .nan, entropy: .nan, logSumExp: .nan))
        var drawn = [SampledToken](repeating: nothing, count: rows.count)
        drawn.withUnsafeMutableBufferPointer { drawn in
            let drawn = UncheckedBuffer(drawn)
            deal(rows.count) { thread, row in
                let token = self.draw(
                    logits.pointer + row * logits.columns, logits.columns, rows[row], scoreTemperature,
                    scratch: self.scratch(thread))
                if let token { drawn.buffer[row] = token }
            }
        }
        if let row = drawn.firstIndex(where: { $0.token < 0 }) {
            throw TensorError(
                "sampling: row \(row) of the logits holds NaN or infinity; the weights or the adapter are damaged, "
                    + "or the learning rate is too high")
        }
        return drawn
    }

    /// Draws one token, then scores it on the untouched logits exactly as `score` does; nil where they are not finite.
    private func draw(
        _ logits: UnsafeMutablePointer<Float>, _ count: Int, _ rule: SamplingRow, _ scoreTemperature: Float,
        scratch: UnsafeMutablePointer<Float>
    ) -> SampledToken? {
        var parameters = apus_sampling_parameters(
            temperature: rule.temperature, top_k: Int32(rule.topK), top_p: rule.topP, min_p: rule.minP,
            repetition_penalty: rule.repetitionPenalty)
        scratch.update(from: logits, count: count)
        let token = rule.seen.withUnsafeBufferPointer { seen in
            rule.banned.withUnsafeBufferPointer { banned in
                var history = apus_sampling_history(
                    seen: seen.baseAddress, seen_count: Int32(seen.count), banned: banned.baseAddress,
                    banned_count: Int32(banned.count))
                return apus_sample_row(scratch, Int32(count), &parameters, &history, rule.uniform, scratch + count)
            }
        }
        guard token >= 0 else { return nil }
        return SampledToken(token: token, score: score(logits, count, token, scoreTemperature))
    }

    /// Copies the targets' hidden states to the start of a buffer and rounds them where the head asks for it.
    private func take(_ hidden: Matrix, _ targets: ArraySlice<HeadTarget>, into buffer: HeadBuffer) {
        let (from, to, width) = (hidden.pointer, buffer.hidden.values, hidden.columns)
        for (row, target) in targets.enumerated() {
            (to + row * width).update(from: from + target.row * width, count: width)
        }
        round(buffer.hidden, 0..<targets.count)
    }

    private func tileLogits(
        _ buffer: HeadBuffer, _ rows: Int, head: OutputHead, first: Int, count: Int, thread: Int
    ) {
        let width = Int(kernels.linear.panel_width)
        withUnsafePointer(to: head.weight.packed) { packed in
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

    /// What each thread works in when it draws a token, in fp32 values.
    static func samplingScratch(_ vocabularySize: Int) -> Int { 2 * vocabularySize }

    /// Bytes of one thread's buffers for the head: hidden states and a tile of logits, in fp32 and rounded.
    public static func headBytes(hiddenSize: Int) -> Int {
        2 * MemoryLayout<Float>.stride * headRows * (hiddenSize + tile)
    }

    private func headBuffers(_ blocks: Int, _ head: Weight) throws -> [HeadBuffer] {
        try (0..<max(1, min(pool.threads, blocks))).map { _ in try HeadBuffer(rows: Self.headRows, Self.tile, head) }
    }
}

/// For each thread: some rows of hidden states, and the logits of one tile of the vocabulary for them.
private final class HeadBuffer {
    let hidden: ProductRows
    let logits: ProductRows
    /// What they lie in.
    private let memory: [Storage]

    init(rows: Int, _ tile: Int, _ head: Weight) throws(TensorError) {
        var memory: [Storage] = []
        func room(_ width: Int, _ form: RowForm) throws(TensorError) -> ProductRows {
            let matrix = try Matrix(rows: rows, columns: width)
            memory.append(matrix.storage)
            guard form.rounds else { return ProductRows(matrix, rounded: nil) }
            let storage = try Storage(count: RoundedRows.floats(rows: rows, depth: width))
            memory.append(storage)
            return ProductRows(matrix, rounded: RoundedRows(storage, rows: rows, depth: width, form: form))
        }
        hidden = try room(head.inputs, head.inputForm)
        logits = try room(tile, head.outputForm)
        self.memory = memory
    }
}

/// Lets threads write disjoint elements of one buffer.
///
/// `@unchecked Sendable`: each task writes only the elements of its own rows.
struct UncheckedBuffer<Element>: @unchecked Sendable {
    let buffer: UnsafeMutableBufferPointer<Element>

    init(_ buffer: UnsafeMutableBufferPointer<Element>) { self.buffer = buffer }
}
