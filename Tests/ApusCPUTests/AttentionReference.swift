import Foundation

/// A prompt and the sequences that continue it, as attention sees them.
///
/// Rows are packed: first the prompt's, then each completion's. Sequence 0 is the prompt alone, sequence s its s-th
/// continuation.
struct AttentionShape: CustomStringConvertible {
    var heads: Int
    var keyValueHeads: Int
    var headSize: Int
    var prompt: Int
    var completions: [Int]
    /// The cap of scores; 0 for none.
    var softCap: Float = 0
    /// The keys that a row sees; 0 for all.
    var window = 0

    var description: String {
        "\(heads)/\(keyValueHeads)x\(headSize), \(prompt)+\(completions), cap \(softCap), window \(window)"
    }
    var group: Int { heads / keyValueHeads }
    var width: Int { heads * headSize }
    var keyValueWidth: Int { keyValueHeads * headSize }
    var rows: Int { prompt + completions.reduce(0, +) }
    var longest: Int { prompt + (completions.max() ?? 0) }
    var scale: Double { 1 / Double(headSize).squareRoot() }
    var sequences: Int { completions.count + 1 }

    /// Rows that belong to the sequence itself, not to the prompt that it continues.
    func ownRows(_ sequence: Int) -> Range<Int> {
        if sequence == 0 { return 0..<prompt }
        let first = prompt + completions[..<(sequence - 1)].reduce(0, +)
        return first..<(first + completions[sequence - 1])
    }

    /// The row at each position of a sequence.
    func rowsByPosition(_ sequence: Int) -> [Int] {
        sequence == 0 ? Array(0..<prompt) : Array(0..<prompt) + Array(ownRows(sequence))
    }

    static let all =
        [
            AttentionShape(heads: 4, keyValueHeads: 2, headSize: 16, prompt: 1, completions: [1]),
            AttentionShape(heads: 4, keyValueHeads: 2, headSize: 24, prompt: 17, completions: [20, 3, 1]),
            AttentionShape(heads: 9, keyValueHeads: 3, headSize: 64, prompt: 9, completions: [25, 14]),
            AttentionShape(heads: 14, keyValueHeads: 2, headSize: 64, prompt: 16, completions: [2, 17]),
            AttentionShape(heads: 4, keyValueHeads: 2, headSize: 20, prompt: 33, completions: [37, 31]),
            AttentionShape(heads: 2, keyValueHeads: 2, headSize: 12, prompt: 0, completions: [70, 15]),
            AttentionShape(heads: 30, keyValueHeads: 1, headSize: 16, prompt: 5, completions: [12]),
            AttentionShape(heads: 6, keyValueHeads: 2, headSize: 32, prompt: 150, completions: [70, 5, 33]),
            AttentionShape(heads: 3, keyValueHeads: 1, headSize: 80, prompt: 40, completions: [30, 9]),
            AttentionShape(heads: 2, keyValueHeads: 1, headSize: 128, prompt: 70, completions: [3]),
        ] + unusualHeads + windows

    /// Heads that are no whole number of anything.
    private static let unusualHeads = [2, 6, 10, 18, 22, 34, 96].map {
        AttentionShape(heads: 4, keyValueHeads: 2, headSize: $0, prompt: 35, completions: [40, 3])
    }

    /// Windows that begin within a page, on one, and pages or blocks of pages before; and caps.
    private static let windows = [
        AttentionShape(heads: 4, keyValueHeads: 2, headSize: 16, prompt: 21, completions: [60, 9], window: 1),
        AttentionShape(heads: 4, keyValueHeads: 2, headSize: 20, prompt: 21, completions: [60, 9], window: 7),
        AttentionShape(heads: 3, keyValueHeads: 1, headSize: 32, prompt: 130, completions: [70, 5], window: 16),
        AttentionShape(heads: 6, keyValueHeads: 2, headSize: 32, prompt: 150, completions: [70, 5, 33], window: 75),
        AttentionShape(heads: 2, keyValueHeads: 2, headSize: 16, prompt: 0, completions: [200, 140], window: 64),
        AttentionShape(heads: 4, keyValueHeads: 2, headSize: 10, prompt: 33, completions: [40, 12], window: 500),
        AttentionShape(heads: 4, keyValueHeads: 2, headSize: 32, prompt: 33, completions: [40, 12], softCap: 1.5),
        AttentionShape(
            heads: 4, keyValueHeads: 1, headSize: 18, prompt: 70, completions: [40, 12], softCap: 2.5, window: 33),
    ]
}

/// The inputs of one attention layer, [row][head * head_size].
struct AttentionInputs {
    var q, k, v, outputGradient: [Float]

    init(_ shape: AttentionShape, seed: UInt64 = 1) {
        var state = seed
        func uniform(_ count: Int, _ size: Float) -> [Float] {
            (0..<count).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return (Float(state >> 40) * 0x1p-23 - 1) * size
            }
        }
        q = uniform(shape.rows * shape.width, 3)
        k = uniform(shape.rows * shape.keyValueWidth, 1)
        v = uniform(shape.rows * shape.keyValueWidth, 1)
        outputGradient = uniform(shape.rows * shape.width, 1)
    }
}

/// Attention and its gradient from the definition, one row and head at a time, in double precision and without pages.
struct AttentionReference {
    var out, logSumExp: [Double]
    var dQ, dK, dV: [Double]

    init(_ shape: AttentionShape, _ inputs: AttentionInputs) {
        out = Array(repeating: 0, count: shape.rows * shape.width)
        logSumExp = Array(repeating: 0, count: shape.rows * shape.heads)
        dQ = out
        dK = Array(repeating: 0, count: shape.rows * shape.keyValueWidth)
        dV = dK
        for sequence in 0..<shape.sequences {
            let rows = shape.rowsByPosition(sequence)
            for (position, row) in rows.enumerated() where shape.ownRows(sequence).contains(row) {
                for head in 0..<shape.heads {
                    let seen = rows[...position].suffix(shape.window > 0 ? shape.window : .max)
                    add(shape, inputs, row: row, head: head, seen: seen)
                }
            }
        }
    }

    /// The sum that finite differences take the derivative of: its gradient with respect to the output is the input's.
    func loss(_ inputs: AttentionInputs) -> Double {
        zip(out, inputs.outputGradient).reduce(0) { $0 + $1.0 * Double($1.1) }
    }

    private mutating func add(
        _ shape: AttentionShape, _ inputs: AttentionInputs, row: Int, head: Int, seen: ArraySlice<Int>
    ) {
        let size = shape.headSize
        let at = row * shape.width + head * size
        let query = inputs.q[at..<(at + size)].map(Double.init)
        let outputGradient = inputs.outputGradient[at..<(at + size)].map(Double.init)
        let offsets = seen.map { $0 * shape.keyValueWidth + head / shape.group * size }
        let keys = offsets.map { inputs.k[$0..<($0 + size)].map(Double.init) }
        let values = offsets.map { inputs.v[$0..<($0 + size)].map(Double.init) }

        let cap = Double(shape.softCap)
        let scores = keys.map { key in
            let score = shape.scale * dot(query, key)
            return cap > 0 ? cap * tanh(score / cap) : score
        }
        let largest = scores.max() ?? 0
        let sum = scores.reduce(0) { $0 + exp($1 - largest) }
        let weights = scores.map { exp($0 - largest) / sum }
        logSumExp[row * shape.heads + head] = largest + log(sum)
        for (weight, value) in zip(weights, values) {
            for d in 0..<size { out[at + d] += weight * value[d] }
        }

        let weightGradients = values.map { dot(outputGradient, $0) }
        let mean = dot(weights, weightGradients)
        for j in weights.indices {
            let slope = cap > 0 ? 1 - (scores[j] / cap) * (scores[j] / cap) : 1
            let scoreGradient = weights[j] * (weightGradients[j] - mean) * shape.scale * slope
            for d in 0..<size {
                dQ[at + d] += scoreGradient * keys[j][d]
                dK[offsets[j] + d] += scoreGradient * query[d]
                dV[offsets[j] + d] += weights[j] * outputGradient[d]
            }
        }
    }
}

private func dot(_ a: [Double], _ b: [Double]) -> Double {
    var sum = 0.0
    for i in a.indices { sum += a[i] * b[i] }
    return sum
}
