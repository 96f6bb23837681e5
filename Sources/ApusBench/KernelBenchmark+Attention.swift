internal import ApusCPU
internal import ApusTensor

extension KernelBenchmark {
    /// Times one layer's attention over six completions of 200 tokens that share a prompt of 112, in both directions.
    ///
    /// - Throws: `TensorError` when memory runs out.
    public func attention(of model: Model) throws -> [Attention] {
        let shape = model.attention
        let group = GroupLayout.benchmark
        let cache = try backend.makeCache(shape, pages: group.pages)
        let pass = try backend.prepare(
            group.batch, for: PassNeeds(cache: shape, width: shape.headSize, pages: [cache], isTraining: true))
        let rows = group.rows
        let width = shape.heads * shape.headSize
        let keyValueWidth = shape.keyValueHeads * shape.headSize
        let keys = try Self.numbers(rows: rows, columns: keyValueWidth)
        backend.writeKeysAndValues(keys, keys, cache: cache, layer: 0, pass)
        let q = try Self.numbers(rows: rows, columns: width)
        let dOut = try Self.numbers(rows: rows, columns: width)
        let (out, dq) = (try Matrix(rows: rows, columns: width), try Matrix(rows: rows, columns: width))
        let logSumExp = try Matrix(rows: rows, columns: shape.heads)
        let dk = try Matrix(rows: rows, columns: keyValueWidth)
        let dv = try Matrix(rows: rows, columns: keyValueWidth)
        let forward = medianSeconds { _ in
            backend.attention(
                q, cache: cache, layer: 0, rule: model.rule, pass, into: out, logSumExp: logSumExp)
        }
        let backward = medianSeconds { _ in
            backend.attentionBackward(
                q, out: out, dOut: dOut, logSumExp: logSumExp, cache: cache, layer: 0, rule: model.rule, pass, dq: dq,
                dk: dk, dv: dv)
        }
        // A visible key costs a product with its query and one with its probability; the gradient has five such products.
        let pairs = group.keys * Double(width)
        return [(Direction.forward, 4.0, forward), (.backward, 10.0, backward)].map { direction, operations, seconds in
            Attention(
                model: model.name, direction: direction, rows: rows, context: nil, bytes: nil,
                operations: operations * pairs, seconds: seconds)
        }
    }
}
