public import ApusTensor

extension PlainBackend {
    /// See `Backend`.
    public func writeKeysAndValues(_ k: Matrix, _ v: Matrix, cache: KeyValueCache, layer: Int, _ pass: Pass) {
        let (k, v, pass) = (own(k), own(v), own(pass, as: PlainPass.self))
        let pages = layerPages(cache, layer, pass)
        pass.requireNamed(cache)
        for matrix in [k, v] { matrix.requireShape(pass.rows, cache.shape.keyValueWidth) }
        let entries = zip(pass.batch.writeRows, pass.batch.writeSlots).map { (row: Int($0), slot: Int($1)) }
        precondition(entries.allSatisfy { $0.slot < cache.pages * KeyValueCache.pageTokens }, "a slot of no page")
        enqueue {
            for (row, slot) in entries {
                let (page, position) = slot.quotientAndRemainder(dividingBy: KeyValueCache.pageTokens)
                let key = pages.page(page) + position * 2 * k.columns
                key.update(from: k.row(row), count: k.columns)
                (key + k.columns).update(from: v.row(row), count: v.columns)
            }
        }
    }

    /// See `Backend`.
    public func attention(
        _ q: Matrix, cache: KeyValueCache, layer: Int, rule: AttentionRule, _ pass: Pass, into out: Matrix,
        logSumExp: Matrix?
    ) {
        let (q, out, sums, pass) = (own(q), own(out), logSumExp.map { own($0) }, own(pass, as: PlainPass.self))
        let (pages, shape) = (layerPages(cache, layer, pass), cache.shape)
        for matrix in [q, out] { matrix.requireShape(pass.rows, shape.heads * shape.headSize) }
        sums?.requireShape(pass.rows, shape.heads)
        out.requireApart(q, sums)
        sums?.requireApart(q)
        enqueue {
            let attention = PlainAttention(shape, rule, maxContext: pass.maxContext)
            for row in 0..<pass.rows {
                let seen = pages.seen(by: row, of: pass.batch)
                for head in 0..<shape.heads {
                    let at = head * shape.headSize
                    let sum = attention.attend(q.row(row) + at, head, seen, into: out.row(row) + at)
                    sums?.row(row)[head] = sum
                }
            }
        }
    }

    /// See `Backend`. Each segment's rows come in order; then what they ask of their prompt's keys and values is added to what
    /// the segments before have asked.
    public func attentionBackward(
        _ q: Matrix, out: Matrix, dOut: Matrix, logSumExp: Matrix, cache: KeyValueCache, layer: Int,
        rule: AttentionRule, _ pass: Pass, dq: Matrix, dk: Matrix, dv: Matrix
    ) {
        let pass: PlainPass = own(pass)
        precondition(pass.needs.isTraining, "a pass that no backward pass was to follow")
        let (pages, shape) = (layerPages(cache, layer, pass), cache.shape)
        let (q, out, dOut, sums) = (own(q), own(out), own(dOut), own(logSumExp))
        let (dq, dk, dv) = (own(dq), own(dk), own(dv))
        for matrix in [q, out, dOut, dq] { matrix.requireShape(pass.rows, shape.heads * shape.headSize) }
        for matrix in [dk, dv] { matrix.requireShape(pass.rows, shape.keyValueWidth) }
        sums.requireShape(pass.rows, shape.heads)
        for (index, result) in [dq, dk, dv].enumerated() {
            result.requireApart(q, out, dOut, sums)
            for other in [dq, dk, dv][..<index] { result.requireApart(other) }
        }
        let backward = PlainAttentionBackward(
            shape: shape, rule: rule, pages: pages, pass: pass, q: q, out: out, dOut: dOut, logSumExp: sums, dq: dq,
            dk: dk, dv: dv)
        enqueue { backward.compute() }
    }

    /// A layer's pages, where the pass was prepared for them.
    private func layerPages(_ cache: KeyValueCache, _ layer: Int, _ pass: PlainPass) -> LayerPages {
        precondition(cache.shape == pass.needs.cache, "a pass for another cache")
        precondition(0..<cache.shape.layers ~= layer, "no layer \(layer)")
        precondition(pass.batch.visible.tables.allSatisfy { 0..<cache.pages ~= Int($0) }, "a page of another cache")
        return LayerPages(cache: own(cache), layer: layer)
    }
}

/// A cache's pages, for one layer.
struct LayerPages {
    fileprivate let cache: PlainKeyValueCache
    fileprivate let layer: Int

    func page(_ number: Int) -> UnsafeMutablePointer<Float> { cache.page(number, layer: layer) }

    /// What a row sees.
    func seen(by row: Int, of batch: PackedBatch) -> SeenKeys {
        let (context, first) = (Int(batch.visible.contexts[row]), Int(batch.visible.tableOffsets[row]))
        let count = (context + KeyValueCache.pageTokens - 1) / KeyValueCache.pageTokens
        return SeenKeys(
            pages: batch.visible.tables[first..<first + count].map { UnsafePointer(page(Int($0))) }, context: context,
            width: cache.shape.keyValueWidth)
    }
}

/// The keys and values at positions 0 ..< context of a sequence.
struct SeenKeys {
    fileprivate let pages: [UnsafePointer<Float>]
    let context: Int
    fileprivate let width: Int

    func key(_ position: Int, at offset: Int) -> UnsafePointer<Float> {
        let (page, place) = position.quotientAndRemainder(dividingBy: KeyValueCache.pageTokens)
        return pages[page] + place * 2 * width + offset
    }

    func value(_ position: Int, at offset: Int) -> UnsafePointer<Float> { key(position, at: offset) + width }
}
