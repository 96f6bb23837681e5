internal import ApusCPU
internal import ApusTensor

extension KernelBenchmark {
    /// Times one layer's attention in a step of decoding: a row of each of some sequences that share no page.
    ///
    /// Layers take turns, of which no cache holds all.
    ///
    /// - Parameters:
    ///   - rows: sequences.
    ///   - context: keys that each row sees, its own among them.
    /// - Throws: `TensorError` when memory runs out.
    public func decodingAttention(of model: Model, rows: Int, context: Int) throws -> Attention {
        let size = KeyValueCache.pageTokens
        let pages = (context + size - 1) / size
        let layers = Self.rotationCount(bytes: rows * pages * model.attention.pageBytes)
        let cache = try filledCache(model, layers: layers, pages: rows * pages)
        var batch = PackedBatch()
        for row in 0..<rows {
            let offset = batch.append(table: (row * pages..<(row + 1) * pages).map(Int32.init))
            batch.append([0], firstPosition: context - 1, tableOffset: offset, parentFirstRow: nil)
        }
        let pass = try backend.prepare(batch, for: PassNeeds(cache: cache.shape, width: model.queryWidth))
        let q = try Self.numbers(rows: rows, columns: model.queryWidth)
        let out = try Matrix(rows: rows, columns: model.queryWidth)
        let seconds = medianSeconds { call in
            backend.attention(
                q, cache: cache, layer: call % layers, rule: model.rule, pass, into: out, logSumExp: nil)
        }
        return Attention(
            model: model.name, direction: .forward, rows: rows, context: context,
            bytes: Self.decodingBytes(model, rows: rows, context: context),
            operations: Self.decodingOperations(model, rows: rows, context: context), seconds: seconds)
    }

    /// Multiplications and additions of a layer's attention in a step of decoding.
    static func decodingOperations(_ model: Model, rows: Int, context: Int) -> Double {
        4 * Double(rows * context) * Double(model.queryWidth)
    }

    /// Bytes of the pages that it reads.
    static func decodingBytes(_ model: Model, rows: Int, context: Int) -> Double {
        let size = KeyValueCache.pageTokens
        return Double(rows * ((context + size - 1) / size) * model.attention.pageBytes)
    }

    /// Pages of which every slot is written.
    private func filledCache(_ model: Model, layers: Int, pages: Int) throws -> KeyValueCache {
        let one = model.attention
        let shape = KeyValueCache.Shape(
            layers: layers, heads: one.heads, keyValueHeads: one.keyValueHeads, headSize: one.headSize,
            format: one.format)
        let cache = try backend.makeCache(shape, pages: pages)
        let size = KeyValueCache.pageTokens
        let keys = try Self.numbers(rows: pages * size, columns: model.keyWidth)
        var batch = PackedBatch()
        let offset = batch.append(table: (0..<pages).map(Int32.init))
        batch.append(
            ArraySlice(repeating: 0, count: pages * size), firstPosition: 0, tableOffset: offset, parentFirstRow: nil)
        let pass = try backend.prepare(batch, for: PassNeeds(cache: shape, width: model.keyWidth, pages: [cache]))
        for layer in 0..<layers { backend.writeKeysAndValues(keys, keys, cache: cache, layer: layer, pass) }
        return cache
    }
}
