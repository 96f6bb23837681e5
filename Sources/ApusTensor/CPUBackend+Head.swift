internal import CKernels

extension CPUBackend {
    /// Rows that go through the head together; the logits of a tile of the vocabulary for them stay in cache.
    private static let headRows = 96
    private static let tile = Int(APUS_VOCABULARY_TILE)

    /// See `Backend`.
    public func logits(_ hidden: Matrix, head: Weight, into logits: Matrix) {
        split(head.panels) { thread, panels in
            self.forward(head, hidden, bias: nil, into: logits, accumulate: false, panels: panels, thread: thread)
        }
    }

    /// See `Backend`. A task is a block of targets over the whole vocabulary, so no reduction crosses threads.
    public func score(_ hidden: Matrix, targets: [HeadTarget], head: Weight, temperature: Float) throws -> [HeadScore] {
        var scores = [HeadScore](repeating: HeadScore(logProb: 0, entropy: 0, logSumExp: 0), count: targets.count)
        let tiles = (head.outputs + Self.tile - 1) / Self.tile
        let blocks = (targets.count + Self.headRows - 1) / Self.headRows
        let buffers = try headBuffers(blocks, hidden.columns)
        scores.withUnsafeMutableBufferPointer { scores in
            let scores = UncheckedBuffer(scores)
            deal(blocks) { thread, block in
                let range = block * Self.headRows..<min((block + 1) * Self.headRows, targets.count)
                let (rows, logits) = buffers[thread].views(range.count)
                self.gather(hidden, targets[range].map(\.row), into: rows)
                var summaries = [apus_tile_summary](repeating: apus_tile_summary(), count: tiles * range.count)
                for tile in 0..<tiles {
                    let first = tile * Self.tile
                    let count = min(Self.tile, head.outputs - first)
                    self.tileLogits(rows, head: head, first: first, count: count, into: logits, thread: thread)
                    for row in 0..<range.count {
                        let values = logits.pointer + row * Self.tile
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
        head: Weight, temperature: Float, into dHidden: Matrix
    ) throws {
        precondition(dHidden.rows == targets.count && scores.count == targets.count, "one row a target")
        let tiles = (head.outputs + Self.tile - 1) / Self.tile
        let blocks = (targets.count + Self.headRows - 1) / Self.headRows
        let buffers = try headBuffers(blocks, hidden.columns)
        let inputPanels = (head.inputs + Int(kernels.linear.panel_width) - 1) / Int(kernels.linear.panel_width)
        deal(blocks) { thread, block in
            let range = block * Self.headRows..<min((block + 1) * Self.headRows, targets.count)
            let (rows, logits) = buffers[thread].views(range.count)
            self.gather(hidden, targets[range].map(\.row), into: rows)
            let dRows = dHidden.rows(range)
            for tile in 0..<tiles {
                let first = tile * Self.tile
                let count = min(Self.tile, head.outputs - first)
                self.tileLogits(rows, head: head, first: first, count: count, into: logits, thread: thread)
                for row in 0..<range.count {
                    let i = range.lowerBound + row
                    self.kernels.head.gradient(
                        logits.pointer + row * Self.tile, Int32(count), 1 / temperature, scores[i].logSumExp,
                        scores[i].entropy, Int32(Int(targets[i].token) - first), dLogProb[i], dEntropy?[i] ?? 0)
                }
                withUnsafePointer(to: head.packed) {
                    self.kernels.linear.backward(
                        $0, logits.pointer, Self.tile, Int32(range.count), Int32(first), Int32(first + count),
                        dRows.pointer, dRows.columns, tile > 0 ? 1 : 0, 0, Int32(inputPanels), self.scratch(thread))
                }
            }
        }
    }

    /// See `Backend`.
    public func sample(_ logits: Matrix, rows: [SamplingRow], scoreTemperature: Float) throws -> [SampledToken] {
        precondition(rows.count == logits.rows, "one rule a row")
        // Two rows: the logits that the filters change, and their own scratch.
        try reserveScratch(2 * logits.columns)
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
        let summaries = stride(from: 0, to: count, by: Self.tile).map { first in
            kernels.head.summarize(logits + first, Int32(min(Self.tile, count - first)), 1 / scoreTemperature)
        }
        var score = HeadScore(logProb: logits[Int(token)] * (1 / scoreTemperature), entropy: 0, logSumExp: 0)
        finish(&score, summaries[...])
        return SampledToken(token: token, score: score)
    }

    private func tileLogits(
        _ rows: Matrix, head: Weight, first: Int, count: Int, into logits: Matrix, thread: Int
    ) {
        let width = Int(kernels.linear.panel_width)
        withUnsafePointer(to: head.packed) {
            // The kernel addresses outputs from 0; step back so that the tile's first output lands in column 0.
            kernels.linear.forward(
                $0, rows.pointer, rows.columns, Int32(rows.rows), nil, logits.pointer - first, Self.tile, 0,
                Int32(first / width), Int32((first + count + width - 1) / width), scratch(thread))
        }
    }

    /// For each thread: gathered rows, and the logits of one tile for them.
    private func headBuffers(_ blocks: Int, _ width: Int) throws -> [HeadBuffer] {
        try (0..<max(1, min(pool.threads, blocks))).map { _ in
            HeadBuffer(
                rows: try Matrix(rows: Self.headRows, columns: width),
                logits: try Matrix(rows: Self.headRows, columns: Self.tile))
        }
    }
}

private struct HeadBuffer {
    let rows: Matrix
    let logits: Matrix

    func views(_ count: Int) -> (Matrix, Matrix) { (rows.rows(0..<count), logits.rows(0..<count)) }
}

/// Lets threads write disjoint elements of one buffer.
///
/// `@unchecked Sendable`: each task writes only the elements of its own rows.
private struct UncheckedBuffer<Element>: @unchecked Sendable {
    let buffer: UnsafeMutableBufferPointer<Element>

    init(_ buffer: UnsafeMutableBufferPointer<Element>) { self.buffer = buffer }
}
