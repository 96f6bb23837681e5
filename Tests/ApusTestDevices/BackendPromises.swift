public import ApusTensor

/// What a device promises to the bit and does not keep, in words; empty where it keeps everything.
///
/// A row's result does not depend on the rows beside it, a sequence's not on how it is cut into passes or what else is in
/// them, and a token's score is the same from whichever operation it comes.
///
/// - Parameter gradientsDependOnShapes: whether, of products that serve gradients alone, only this is promised: what stands in
///   other rows changes no bit, and neither does another call.
/// - Throws: `TensorError` when the device has no memory, or has failed.
public func brokenPromises(of device: any Backend, gradientsDependOnShapes: Bool = false) throws -> [String] {
    let promises = gradientsDependOnShapes ? promises : promises + rowPromises
    return try promises.filter { try !$0.isKept(TrialBench(device)) }.map(\.name)
}

/// One promise and the check of it.
private struct Promise {
    let name: String
    let isKept: (TrialBench) throws -> Bool
}

private var promises: [Promise] {
    [
        Promise(name: "operations come in the order of their calls", isKept: operationsInOrder),
        Promise(name: "sample: refuses what is no number", isKept: sampleRefuses),
        Promise(name: "rmsNorm: a row alone", isKept: normsAlone),
        Promise(name: "addOuterProduct: rows in parts of 64", isKept: outerProductInParts),
    ] + WeightFormat.allCases.flatMap(weightPromises) + AttentionShape.all.flatMap(attentionPromises)
}

private func weightPromises(_ format: WeightFormat) -> [Promise] {
    [
        Promise(name: "linear, \(format): a row alone") { try linearRowsAlone($0, format, for: .scores) },
        Promise(name: "linear for gradients, \(format): other rows' values") {
            try $0.keepsRowsApart(53, 96, 72, linearRows($0, format, for: .gradients))
        },
        Promise(name: "linearBackward, \(format): other rows' values") {
            try $0.keepsRowsApart(53, 72, 96, gradientRows($0, format))
        },
        Promise(name: "scoreBackward, \(format): other rows' values") {
            try $0.keepsRowsApart(60, HeadScore.gradientWidth, 48, scoreGradientRows($0, format))
        },
        Promise(name: "score and sample, \(format): one score") { try scoresAgree($0, format) },
    ]
}

/// What holds of all products where gradients are computed as scores are.
private var rowPromises: [Promise] {
    WeightFormat.allCases.flatMap { format in
        [
            Promise(name: "linear for gradients, \(format): a row alone") {
                try linearRowsAlone($0, format, for: .gradients)
            },
            Promise(name: "linearBackward, \(format): a row alone") { bench in
                let (dOutput, gradients) = (try bench.matrix(53, 72), try gradientRows(bench, format))
                return try bench.givesRowsAlone(53, 96) { try gradients(dOutput, $0, $1) }
            },
            Promise(name: "scoreBackward, \(format): a row alone") { bench in
                let gradients = try bench.matrix(60, HeadScore.gradientWidth)
                let states = try scoreGradientRows(bench, format)
                return try bench.givesRowsAlone(60, 48) { try states(gradients, $0, $1) }
            },
        ]
    }
}

/// An operation on rows of a matrix, which writes those rows of its result.
private typealias RowOperation = (_ x: Matrix, _ rows: Range<Int>, _ y: Matrix) throws -> Void

private func attentionPromises(_ shape: AttentionShape) -> [Promise] {
    [KeyValueCache.Format.f32, .fixed].flatMap { format in
        [
            Promise(name: "attention, \(format), \(shape.description): a row alone") {
                try attentionRowsAlone($0, shape, shape.cache(format))
            },
            Promise(name: "attentionBackward, \(format), \(shape.description): a tree alone") {
                try attentionTreesAlone($0, shape, shape.cache(format))
            },
        ]
    }
}

extension TrialBench {
    /// Whether matrices hold the same bits, and numbers.
    fileprivate func areSame(_ a: Matrix, _ b: Matrix) throws -> Bool {
        let (a, b) = (try device.download(a), try device.download(b))
        return a.allSatisfy(\.isFinite) && a.map(\.bitPattern) == b.map(\.bitPattern)
    }

    /// Whether an operation on the rows of a matrix writes the same when it is given one after the other.
    fileprivate func givesRowsAlone(
        _ rows: Int, _ width: Int, _ operation: (_ rows: Range<Int>, _ y: Matrix) throws -> Void
    ) throws -> Bool {
        let (together, alone) = (try room(rows, width), try room(rows, width))
        try operation(0..<rows, together)
        for row in 0..<rows { try operation(row..<row + 1, alone.rows(row..<row + 1)) }
        return try areSame(together, alone)
    }

    /// Whether every third row of the result stays what it is when the other rows of the input are no numbers, and the whole of
    /// it when nothing changes.
    fileprivate func keepsRowsApart(
        _ rows: Int, _ inputs: Int, _ outputs: Int, _ operation: RowOperation
    ) throws -> Bool {
        var values = values(rows * inputs)
        let results = try (0..<3).map { run in
            if run == 2 { for index in values.indices where index / inputs % 3 != 0 { values[index] = .nan } }
            let y = try room(rows, outputs)
            try operation(try device.makeMatrix(values, rows: rows, columns: inputs), 0..<rows, y)
            return try device.download(y).map(\.bitPattern)
        }
        let areNumbers = results[0].allSatisfy { Float(bitPattern: $0).isFinite }
        return areNumbers && results[0] == results[1]
            && results[0].indices.allSatisfy { $0 / outputs % 3 != 0 || results[0][$0] == results[2][$0] }
    }
}

/// What is uploaded later does not reach what was called before.
private func operationsInOrder(_ bench: TrialBench) throws -> Bool {
    let (x, y) = (try bench.matrix(200, 300), try bench.room(200, 300))
    let expected = try bench.device.download(x).map { 2 * $0 }
    bench.device.copy(x, into: y)
    bench.device.upload(bench.values(x.count), to: x)
    bench.device.scale(y, by: 2)
    bench.device.fill(x, with: 1)
    return try bench.device.download(y) == expected && bench.device.download(x).allSatisfy { $0 == 1 }
}

private func sampleRefuses(_ bench: TrialBench) throws -> Bool {
    let rule = SamplingRow(
        temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, line: nil, banned: [], uniform: 0.5)
    return try [[.nan, 0], [0, .infinity], [-.infinity, -.infinity]].allSatisfy { (damaged: [Float]) in
        let logits = try bench.device.makeMatrix([1, 2] + damaged, rows: 2, columns: 2)
        do {
            _ = try bench.device.sample(logits, rows: [rule, rule], history: nil, scoreTemperature: 1)
        } catch is TensorError {
            return true
        }
        return false
    }
}

// MARK: Rows

private func linearRowsAlone(_ bench: TrialBench, _ format: WeightFormat, for use: ProductUse) throws -> Bool {
    let (x, operation) = (try bench.matrix(53, 96), try linearRows(bench, format, for: use))
    return try bench.givesRowsAlone(53, 72) { try operation(x, $0, $1) }
}

/// 96 inputs, 72 outputs.
private func linearRows(_ bench: TrialBench, _ format: WeightFormat, for use: ProductUse) throws -> RowOperation {
    let (rows, inputs, outputs, rank) = (53, 96, 72, 8)
    try bench.prepare(rows: rows, width: inputs, isTraining: use == .gradients)
    let weight = try bench.weight(format, outputs: outputs, inputs: inputs)
    let (pair, bias) = (try bench.adapter(beside: weight, rank: rank, scale: 2), try bench.matrix(1, outputs))
    let projected = try bench.room(rows, rank)
    return { x, range, y in
        let product = LinearProduct(
            weight: weight, bias: bias, lowRank: pair, projected: projected.rows(range), output: y)
        bench.device.linear(x.rows(range), [product], for: use)
    }
}

/// From the gradients of 72 outputs to those of 96 inputs.
private func gradientRows(_ bench: TrialBench, _ format: WeightFormat) throws -> RowOperation {
    let (rows, inputs, outputs, rank) = (53, 96, 72, 8)
    try bench.prepare(rows: rows, width: inputs, isTraining: true)
    let weight = try bench.weight(format, outputs: outputs, inputs: inputs)
    let (pair, projected) = (try bench.adapter(beside: weight, rank: rank, scale: 2), try bench.matrix(rows, rank))
    let (x, dProjected) = (try bench.matrix(rows, inputs), try bench.room(rows, rank))
    let (a, b) = (try bench.matrix(rank, inputs), try bench.matrix(outputs, rank))
    return { dOutput, range, dx in
        let adapter = LinearGradient.Adapter(
            lowRank: pair, projected: projected.rows(range), dProjected: dProjected.rows(range), aGradient: a,
            bGradient: b, scale: 2)
        let gradient = LinearGradient(dOutput: dOutput.rows(range), weight: weight, adapter: adapter)
        bench.device.linearBackward([gradient], input: x.rows(range), dx: dx, accumulate: false)
    }
}

private func normsAlone(_ bench: TrialBench) throws -> Bool {
    let (x, gain) = (try bench.matrix(19, 33), try bench.matrix(1, 33))
    return try bench.givesRowsAlone(x.rows, x.columns) { range, y in
        bench.device.rmsNorm(x.rows(range), gain: gain, epsilon: 1e-5, into: y)
    }
}

/// A backward pass takes rows through a feed-forward network in parts of whole 64s.
private func outerProductInParts(_ bench: TrialBench) throws -> Bool {
    let (a, b) = (try bench.matrix(150, 30), try bench.matrix(150, 40))
    let start = bench.values(30 * 40)
    let sums = try (0..<2).map { _ in try bench.device.makeMatrix(start, rows: 30, columns: 40) }
    bench.device.addOuterProduct(a, b, to: sums[0])
    for part in [0..<64, 64..<128, 128..<150] {
        bench.device.addOuterProduct(a.rows(part), b.rows(part), to: sums[1])
    }
    return try bench.areSame(sums[0], sums[1])
}

// MARK: Head

/// From what a loss says of 60 targets to the gradients of their hidden states, of 48 values.
private func scoreGradientRows(_ bench: TrialBench, _ format: WeightFormat) throws -> RowOperation {
    let (rows, width, vocabulary, count) = (11, 48, 1704, 60)
    let head = OutputHead(try bench.weight(format, outputs: vocabulary, inputs: width), softCap: 5)
    try bench.prepare(rows: rows, width: width, head: head, isTraining: true)
    let hidden = try bench.matrix(rows, width)
    let targets = HeadTargets(
        rows: try bench.indices(count, below: rows), tokens: try bench.indices(count, below: vocabulary))
    let scores = try bench.room(count, HeadScore.width)
    bench.device.score(hidden, targets, head: head, temperature: 0.7, into: scores)
    return { gradients, range, dHidden in
        bench.device.scoreBackward(
            hidden, targets[range], scores: scores.rows(range), gradients: gradients.rows(range), head: head,
            temperature: 0.7, into: dHidden)
    }
}

/// The same tokens scored by the sampler, from logits, from hidden states, and from these one by one.
private func scoresAgree(_ bench: TrialBench, _ format: WeightFormat) throws -> Bool {
    let (rows, width, vocabulary, temperature) = (37, 48, 1700, Float(0.7))
    let head = OutputHead(try bench.weight(format, outputs: vocabulary, inputs: width), scale: 0.5, softCap: 5)
    try bench.prepare(rows: rows, width: width, head: head)
    let (hidden, logits) = (try bench.matrix(rows, width), try bench.room(rows, vocabulary))
    bench.device.logits(hidden, head: head, adapter: nil, into: logits)
    let again = try bench.room(rows, vocabulary)
    bench.device.copy(logits, into: again)
    let rules = bench.values(rows).map { uniform in
        SamplingRow(
            temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, line: nil, banned: [],
            uniform: min(abs(Double(uniform)), 0.999))
    }
    let drawn = try bench.device.sample(logits, rows: rules, history: nil, scoreTemperature: temperature)
    let tokens = try bench.device.makeIndices(drawn.map(\.token))
    let targets = HeadTargets(rows: try bench.device.makeIndices((0..<Int32(rows)).map { $0 }), tokens: tokens)
    let (byLogits, byState) = (try bench.room(rows, HeadScore.width), try bench.room(rows, HeadScore.width))
    bench.device.score(again, tokens: tokens, temperature: temperature, into: byLogits)
    bench.device.score(hidden, targets, head: head, temperature: temperature, into: byState)
    let alone = try bench.givesRowsAlone(rows, HeadScore.width) { range, scores in
        bench.device.score(hidden, targets[range], head: head, temperature: temperature, into: scores)
    }
    return try alone && bench.device.scores(in: byLogits) == drawn.map(\.score)
        && bench.device.scores(in: byState) == drawn.map(\.score)
}

// MARK: Attention

/// What a whole pass sees of its keys, and each row by itself as decoding does.
private func attentionRowsAlone(
    _ bench: TrialBench, _ shape: AttentionShape, _ pages: KeyValueCache.Shape
) throws -> Bool {
    let (device, batch) = (bench.device, shape.trees.batch)
    let cache = try device.makeCache(pages, pages: TokenTrees.pages)
    let needs = PassNeeds(cache: pages, width: shape.heads * shape.headSize, pages: [cache])
    let pass = try device.prepare(batch, for: needs)
    let keys = try (0..<2).map { _ in try bench.matrix(batch.rows, shape.keyValueHeads * shape.headSize) }
    device.writeKeysAndValues(keys[0], keys[1], cache: cache, layer: 0, pass)
    let q = try bench.matrix(batch.rows, shape.heads * shape.headSize)
    return try bench.givesRowsAlone(batch.rows, q.columns) { range, out in
        let part = range.count == batch.rows ? pass : try device.prepare(batch.row(range.lowerBound), for: needs)
        device.attention(
            q.rows(range), cache: cache, layer: 0, rule: shape.rule, part, into: out, logSumExp: nil)
    }
}

extension PackedBatch {
    /// A batch of one of the rows.
    fileprivate func row(_ row: Int) -> PackedBatch {
        var one = PackedBatch()
        let first = one.append(table: Array(visible.tables[Int(visible.tableOffsets[row])...]))
        one.append(
            tokens[row..<row + 1], firstPosition: Int(positions[row]), tableOffset: first, parentFirstRow: nil)
        return one
    }
}

/// Gradients of a tree beside another one, and of the tree alone.
private func attentionTreesAlone(
    _ bench: TrialBench, _ shape: AttentionShape, _ pages: KeyValueCache.Shape
) throws -> Bool {
    let device = bench.device
    let tree = TokenTree(prompt: shape.prompt, completions: shape.completions)
    let both = TokenTrees([TokenTree(prompt: 3, completions: [2]), tree]).batch
    let own = 5..<both.rows
    let inputs = try [shape.heads, shape.heads, shape.keyValueHeads, shape.keyValueHeads].map {
        try bench.matrix(both.rows, $0 * shape.headSize)
    }
    func gradients(_ batch: PackedBatch, _ range: Range<Int>) throws -> [Matrix] {
        let (q, dOut, k, v) = (
            inputs[0].rows(range), inputs[1].rows(range), inputs[2].rows(range), inputs[3].rows(range)
        )
        let cache = try device.makeCache(pages, pages: TokenTrees.pages)
        let pass = try device.prepare(
            batch, for: PassNeeds(cache: pages, width: q.columns, pages: [cache], isTraining: true))
        let (out, sums) = (try bench.room(q.rows, q.columns), try bench.room(q.rows, shape.heads))
        let results = try [q, k, v].map { try bench.room($0.rows, $0.columns) }
        device.writeKeysAndValues(k, v, cache: cache, layer: 1, pass)
        device.attention(q, cache: cache, layer: 1, rule: shape.rule, pass, into: out, logSumExp: sums)
        device.attentionBackward(
            q, out: out, dOut: dOut, logSumExp: sums, cache: cache, layer: 1, rule: shape.rule, pass, dq: results[0],
            dk: results[1], dv: results[2])
        return results
    }
    let (together, alone) = (try gradients(both, 0..<both.rows), try gradients(TokenTrees([tree]).batch, own))
    return try zip(together, alone).allSatisfy { try bench.areSame($0.rows(own), $1) }
}
