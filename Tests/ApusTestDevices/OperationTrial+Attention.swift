internal import ApusTensor

/// Attention over trees of sequences in pages.
struct AttentionShape {
    var heads: Int
    var keyValueHeads: Int
    var headSize: Int
    var prompt: Int
    var completions: [Int]
    var softCap: Float?
    var window: Int?

    var description: String {
        "\(heads)/\(keyValueHeads) heads of \(headSize), \(prompt) + \(completions)"
            + (softCap.map { ", cap \($0)" } ?? "") + (window.map { ", window \($0)" } ?? "")
    }

    var rule: AttentionRule {
        AttentionRule(scale: 1 / Float(headSize).squareRoot(), softCap: softCap, window: window)
    }

    /// The tree, and a smaller one before it.
    var trees: TokenTrees {
        TokenTrees([TokenTree(prompt: 3, completions: [2]), TokenTree(prompt: prompt, completions: completions)])
    }

    func cache(_ format: KeyValueCache.Format) -> KeyValueCache.Shape {
        KeyValueCache.Shape(
            layers: 2, heads: heads, keyValueHeads: keyValueHeads, headSize: headSize, format: format)
    }

    static let all = [
        AttentionShape(heads: 4, keyValueHeads: 2, headSize: 16, prompt: 1, completions: [1]),
        AttentionShape(heads: 4, keyValueHeads: 2, headSize: 24, prompt: 17, completions: [20, 3, 1]),
        AttentionShape(heads: 9, keyValueHeads: 3, headSize: 64, prompt: 9, completions: [25, 14]),
        AttentionShape(heads: 2, keyValueHeads: 1, headSize: 128, prompt: 70, completions: [3]),
        AttentionShape(heads: 6, keyValueHeads: 2, headSize: 32, prompt: 150, completions: [70, 5, 33]),
        AttentionShape(heads: 3, keyValueHeads: 1, headSize: 80, prompt: 40, completions: [30, 2]),
        AttentionShape(heads: 4, keyValueHeads: 2, headSize: 96, prompt: 30, completions: [21]),
        AttentionShape(heads: 2, keyValueHeads: 1, headSize: 256, prompt: 35, completions: [18], window: 20),
        AttentionShape(heads: 2, keyValueHeads: 1, headSize: 32, prompt: 1030, completions: [2, 17]),
        AttentionShape(heads: 2, keyValueHeads: 2, headSize: 12, prompt: 0, completions: [70, 15]),
        AttentionShape(heads: 4, keyValueHeads: 2, headSize: 16, prompt: 21, completions: [60, 9], window: 1),
        AttentionShape(heads: 4, keyValueHeads: 4, headSize: 20, prompt: 32, completions: [60, 9], window: 7),
        AttentionShape(heads: 6, keyValueHeads: 2, headSize: 32, prompt: 150, completions: [70, 5], window: 75),
        AttentionShape(heads: 4, keyValueHeads: 2, headSize: 32, prompt: 33, completions: [40, 12], softCap: 1.5),
        AttentionShape(
            heads: 4, keyValueHeads: 1, headSize: 18, prompt: 70, completions: [40, 12], softCap: 2.5, window: 33),
    ]
}

extension OperationTrial {
    static var attention: [OperationTrial] {
        [KeyValueCache.Format.f32, .fixed].flatMap { format in
            AttentionShape.all.flatMap { shape in
                [tree, nextRows].map { run in
                    OperationTrial(shape: shape.description, rounding: format == .f32 ? .exact : .pages) { bench in
                        try run(bench, shape, shape.cache(format))
                    }
                }
            }
        } + AttentionShape.all.map { shape in OperationTrial(shape: shape.description) { try turns($0, shape) } }
    }

    private static func tree(_ bench: TrialBench, _ shape: AttentionShape, _ pages: KeyValueCache.Shape) throws {
        let (device, layer) = (bench.device, 1)
        let cache = try device.makeCache(pages, pages: TokenTrees.pages)
        let pass = try device.prepare(
            shape.trees.batch,
            for: PassNeeds(cache: pages, width: shape.heads * shape.headSize, pages: [cache], isTraining: true))
        func make(_ heads: Int, _ kind: (Int, Int) throws -> Matrix) throws -> Matrix {
            try kind(pass.rows, heads * shape.headSize)
        }
        let input: (Int, Int) throws -> Matrix = { try bench.matrix($0, $1, size: 2) }
        let (q, dOut) = (try make(shape.heads, input), try make(shape.heads, input))
        let (k, v) = (try make(shape.keyValueHeads, input), try make(shape.keyValueHeads, input))
        let (out, sums) = (try make(shape.heads, bench.room), try bench.room(pass.rows, shape.heads))
        device.writeKeysAndValues(k, v, cache: cache, layer: layer, pass)
        device.attention(q, cache: cache, layer: layer, rule: shape.rule, pass, into: out, logSumExp: sums)
        let alone = try make(shape.heads, bench.room)
        device.attention(q, cache: cache, layer: layer, rule: shape.rule, pass, into: alone, logSumExp: nil)
        let (dq, dk) = (try make(shape.heads, bench.room), try make(shape.keyValueHeads, bench.room))
        let dv = try make(shape.keyValueHeads, bench.room)
        device.attentionBackward(
            q, out: out, dOut: dOut, logSumExp: sums, cache: cache, layer: layer, rule: shape.rule, pass, dq: dq,
            dk: dk, dv: dv)
        bench.note("attention", out, sums, alone)
        bench.note("attentionBackward", dq, dk, dv)
    }

    /// One row more of every sequence, as decoding takes it; then again in a copy of its last page.
    private static func nextRows(_ bench: TrialBench, _ shape: AttentionShape, _ pages: KeyValueCache.Shape) throws {
        let (device, trees) = (bench.device, shape.trees)
        let cache = try device.makeCache(pages, pages: TokenTrees.pages)
        let needs = PassNeeds(cache: pages, width: shape.heads * shape.headSize, pages: [cache])
        func write(_ pass: Pass) throws {
            let k = try bench.matrix(pass.rows, shape.keyValueHeads * shape.headSize, size: 2)
            let v = try bench.matrix(pass.rows, shape.keyValueHeads * shape.headSize, size: 2)
            for layer in 0..<pages.layers { device.writeKeysAndValues(k, v, cache: cache, layer: layer, pass) }
        }
        func note(_ name: String, _ q: Matrix, _ pass: Pass) throws {
            for layer in 0..<pages.layers {
                let out = try bench.room(pass.rows, q.columns)
                device.attention(q, cache: cache, layer: layer, rule: shape.rule, pass, into: out, logSumExp: nil)
                bench.note(name, out)
            }
        }
        try write(try device.prepare(trees.batch, for: needs))
        let pass = try device.prepare(trees.next, for: needs)
        try write(pass)
        let q = try bench.matrix(pass.rows, shape.heads * shape.headSize, size: 2)
        try note("attention, next row", q, pass)
        // Of the last sequence, whose last page is its own.
        guard let lastPage = trees.next.visible.tables.last else { return }
        try device.copyPage(lastPage, to: 0, of: cache)
        var moved = PackedBatch()
        let position = Int(trees.next.positions[pass.rows - 1])
        let table = trees.next.visible.tables.suffix(position / KeyValueCache.pageTokens + 1)
        let offset = moved.append(table: table.dropLast() + [0])
        moved.append([0], firstPosition: position, tableOffset: offset, parentFirstRow: nil)
        try note("copyPage", q.rows(pass.rows - 1..<pass.rows), try device.prepare(moved, for: needs))
    }

    /// All of a head, then a part of it.
    private static func turns(_ bench: TrialBench, _ shape: AttentionShape) throws {
        let trees = shape.trees
        let pass = try bench.device.prepare(
            trees.batch, for: PassNeeds(cache: shape.cache(.f32), width: shape.heads * shape.headSize))
        for (frequencies, factor) in [(shape.headSize / 2, 1), (max(1, shape.headSize / 8), 1.3)] as [(Int, Float)] {
            let table = try bench.device.makeRotaryTable(
                inverseFrequencies: bench.values(frequencies).map(abs), positions: pass.maxContext, factor: factor)
            for inverse in [false, true] {
                let x = try bench.matrix(pass.rows, shape.heads * shape.headSize)
                bench.device.rope(x, headSize: shape.headSize, table: table, pass, inverse: inverse)
                bench.note(inverse ? "rope, back" : "rope", x)
            }
        }
    }
}
