import ApusCUDA
import ApusModel
import ApusTensor
import ApusTestDevices

/// The time of one kernel on one shape.
struct KernelTiming: Encodable {
    let kernel: String
    let shape: String
    let rows: Int
    let microseconds: Double
    /// Of weights or pages; nil where arithmetic is what counts.
    var gigabytesPerSecond: Double?
    let teraflops: Double

    enum CodingKeys: String, CodingKey {
        case kernel, shape, rows, microseconds, teraflops
        case gigabytesPerSecond = "gigabytes_per_second"
    }

    init(_ kernel: String, _ shape: String, rows: Int, seconds: Double, operations: Double, bytes: Double? = nil) {
        (self.kernel, self.shape, self.rows) = (kernel, shape, rows)
        microseconds = seconds * 1e6
        teraflops = operations / seconds / 1e12
        gigabytesPerSecond = bytes.map { $0 / seconds / 1e9 }
    }
}

/// What is timed.
struct TimedShapes {
    /// Inputs and outputs of weights.
    let weights: [(inputs: Int, outputs: Int)]
    /// Of the activations.
    let rows: [Int]
    /// Rows from which gradients are timed too: only training has them.
    let backwardRows: Int
    /// Weights and pages are taken in turns until they are more than a card's cache.
    let rotationBytes: Int
    let heads: Int
    let keyValueHeads: Int
    let headSize: Int
    /// Tokens of the sequence that attention is timed over.
    let tokens: Int
    /// Sequences and their keys in a step of decoding.
    let sequences: [(count: Int, context: Int)]

    static let llama8B = TimedShapes(
        weights: [(4096, 4096), (4096, 1024), (4096, 14_336), (14_336, 4096)], rows: [1, 6, 24, 64, 512, 4096],
        backwardRows: 512, rotationBytes: 256 << 20, heads: 32, keyValueHeads: 8, headSize: 128, tokens: 4096,
        sequences: [(6, 312), (64, 2048)])
    static let tiny = TimedShapes(
        weights: [(64, 128)], rows: [1, 6, 70], backwardRows: 70, rotationBytes: 16 << 10, heads: 4, keyValueHeads: 2,
        headSize: 64, tokens: 70, sequences: [(3, 40)])
}

/// Times kernels by the card's own clock.
struct KernelTimings {
    let card: CUDABackend
    let shapes: TimedShapes
    /// Seconds that one measurement takes at least, if that is not more than so many calls.
    private static let (leastSeconds, mostCalls) = (0.01, 2000.0)
    private static let measurements = 5

    func all() throws -> [KernelTiming] {
        try shapes.weights.flatMap { try products(inputs: $0.inputs, outputs: $0.outputs) }
            + attention(keyValueHeads: shapes.heads) + attention(keyValueHeads: shapes.keyValueHeads)
            + shapes.sequences.map { try decoding(sequences: $0.count, context: $0.context) }
    }

    /// The median time of a call of `body`, which is told the number of the call.
    ///
    /// - Parameter turns: after how many calls everything comes again; kernels are launched as graphs then.
    private func seconds(turns: Int = 1, _ body: (_ call: Int) -> Void) throws -> Double {
        func run(_ calls: Int) throws -> Double {
            try card.seconds { for call in 0..<calls { body(call) } } / Double(calls)
        }
        _ = try run(turns)
        let wanted = min(Self.leastSeconds / max(try run(turns), 1e-9), Self.mostCalls)
        let calls = turns * max(1, Int(wanted) / turns)
        for _ in 0..<2 { _ = try run(calls) }
        return try (0..<Self.measurements).map { _ in try run(calls) }.sorted()[Self.measurements / 2]
    }

    private func numbers(_ rows: Int, _ columns: Int) throws -> Matrix {
        let values = (0..<rows * columns).map { Float(($0 &* 2_654_435_761) >> 8 & 0xFFFF) / 0x8000 - 1 }
        return try card.makeMatrix(values, rows: rows, columns: columns)
    }

    // MARK: Products

    private func products(inputs: Int, outputs: Int) throws -> [KernelTiming] {
        let bytes = try card.byteCount(.nf4, outputs: outputs, inputs: inputs)
        let stored = NF4Matrix(
            codes: (0..<(outputs * inputs + 1) / 2).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 13) },
            scales: [Float](repeating: 0.05, count: (outputs * inputs + 63) / 64), outputs: outputs, inputs: inputs)
        let weights = try (0...shapes.rotationBytes / bytes).map { _ in try card.makeWeight(stored) }
        return try shapes.rows.flatMap { rows in
            let (x, y) = (try numbers(rows, inputs), try numbers(rows, outputs))
            try prepare(rows: rows, width: max(inputs, outputs))
            let operations = 2 * Double(rows) * Double(inputs) * Double(outputs)
            func timing(_ kernel: String, _ body: (Weight) -> Void) throws -> KernelTiming {
                let seconds = try seconds(turns: weights.count) { body(weights[$0 % weights.count]) }
                return KernelTiming(
                    kernel, "\(inputs) to \(outputs)", rows: rows, seconds: seconds, operations: operations,
                    bytes: Double(bytes))
            }
            let forward = try timing("linear, nf4") { weight in
                card.linear(
                    x, [LinearProduct(weight: weight, bias: nil, lowRank: nil, projected: nil, output: y)])
            }
            guard rows >= shapes.backwardRows else { return [forward] }
            let dx = try card.makeMatrix(rows: rows, columns: inputs)
            let backward = try timing("linearBackward, nf4") { weight in
                card.linearBackward(
                    [LinearGradient(dOutput: y, weight: weight, adapter: nil)], input: x, dx: dx, accumulate: false)
            }
            return [forward, backward]
        }
    }

    /// Makes the room that products of so many rows work in.
    private func prepare(rows: Int, width: Int) throws {
        let cache = KeyValueCache.Shape(layers: 1, heads: 1, keyValueHeads: 1, headSize: 16, format: .fixed)
        _ = try card.prepare(
            sequences([rows]), for: PassNeeds(cache: cache, width: width, isTraining: true))
    }

    // MARK: Attention

    /// A sequence over itself, in both directions.
    private func attention(keyValueHeads: Int) throws -> [KernelTiming] {
        let (rows, heads, size) = (shapes.tokens, shapes.heads, shapes.headSize)
        let shape = KeyValueCache.Shape(
            layers: 1, heads: heads, keyValueHeads: keyValueHeads, headSize: size, format: .fixed)
        let batch = sequences([rows])
        let cache = try card.makeCache(shape, pages: PageStore.pages(for: rows))
        let pass = try card.prepare(batch, for: PassNeeds(cache: shape, width: heads * size, isTraining: true))
        let (q, dOut) = (try numbers(rows, heads * size), try numbers(rows, heads * size))
        let keys = try numbers(rows, keyValueHeads * size)
        let (out, dq) = (try numbers(rows, heads * size), try numbers(rows, heads * size))
        let (dk, dv) = (try numbers(rows, keyValueHeads * size), try numbers(rows, keyValueHeads * size))
        let sums = try card.makeMatrix(rows: rows, columns: heads)
        card.writeKeysAndValues(keys, keys, cache: cache, layer: 0, pass)
        let rule = AttentionRule(scale: 1 / Float(size).squareRoot())
        let forward = try seconds { _ in
            card.attention(q, cache: cache, layer: 0, rule: rule, pass, into: out, logSumExp: sums)
        }
        let backward = try seconds { _ in
            card.attentionBackward(
                q, out: out, dOut: dOut, logSumExp: sums, cache: cache, layer: 0, rule: rule, pass, dq: dq, dk: dk,
                dv: dv)
        }
        // A visible key costs a product with its query and one with its probability; the gradient has five such products.
        let pairs = Double(rows) * Double(rows + 1) / 2 * Double(heads * size)
        let name = "\(rows) tokens, \(heads)/\(keyValueHeads) heads of \(size), causal"
        return [
            KernelTiming("attention", name, rows: rows, seconds: forward, operations: 4 * pairs),
            KernelTiming("attentionBackward", name, rows: rows, seconds: backward, operations: 10 * pairs),
        ]
    }

    /// A row of each of some sequences that share no page.
    private func decoding(sequences count: Int, context: Int) throws -> KernelTiming {
        let (heads, size) = (shapes.heads, shapes.headSize)
        func shape(layers: Int) -> KeyValueCache.Shape {
            KeyValueCache.Shape(
                layers: layers, heads: heads, keyValueHeads: shapes.keyValueHeads, headSize: size, format: .fixed)
        }
        let bytes = count * PageStore.pages(for: context) * card.pageBytes(shape(layers: 1))
        let layers = 1 + shapes.rotationBytes / bytes
        let cache = try card.makeCache(shape(layers: layers), pages: count * PageStore.pages(for: context))
        let width = heads * size
        let all = try card.prepare(
            sequences([Int](repeating: context, count: count)), for: PassNeeds(cache: cache.shape, width: width))
        let keys = try numbers(all.rows, shapes.keyValueHeads * size)
        for layer in 0..<layers { card.writeKeysAndValues(keys, keys, cache: cache, layer: layer, all) }
        let last = try card.prepare(
            sequences([Int](repeating: context, count: count), onlyLast: true),
            for: PassNeeds(cache: cache.shape, width: width))
        let (q, out) = (try numbers(count, width), try numbers(count, width))
        let rule = AttentionRule(scale: 1 / Float(size).squareRoot())
        let seconds = try seconds(turns: layers) { call in
            card.attention(q, cache: cache, layer: call % layers, rule: rule, last, into: out, logSumExp: nil)
        }
        let name = "\(count) sequences of \(context), \(heads)/\(shapes.keyValueHeads) heads of \(size)"
        return KernelTiming(
            "attention, decoding", name, rows: count, seconds: seconds,
            operations: 4 * Double(count * context) * Double(width), bytes: Double(bytes))
    }

    /// Sequences in pages of their own: all rows, or the last of each.
    private func sequences(_ lengths: [Int], onlyLast: Bool = false) -> PackedBatch {
        var batch = PackedBatch()
        var firstPage = 0
        for length in lengths {
            let offset = batch.append(table: (firstPage..<firstPage + PageStore.pages(for: length)).map(Int32.init))
            batch.append(
                ArraySlice(repeating: 0, count: onlyLast ? 1 : length), firstPosition: onlyLast ? length - 1 : 0,
                tableOffset: offset, parentFirstRow: nil)
            firstPage += PageStore.pages(for: length)
        }
        return batch
    }
}
