internal import ApusTensor
internal import Foundation

/// How one query meets the keys that it sees.
final class PlainAttention {
    private let shape: KeyValueCache.Shape
    private let rule: AttentionRule
    private let scores: UnsafeMutablePointer<Double>

    init(_ shape: KeyValueCache.Shape, _ rule: AttentionRule, maxContext: Int) {
        self.shape = shape
        self.rule = rule
        scores = .allocate(capacity: max(maxContext, 1))
    }

    deinit { scores.deallocate() }

    /// Where the keys of a query head lie among those of a position.
    func offset(_ head: Int) -> Int { head / (shape.heads / shape.keyValueHeads) * shape.headSize }

    /// The positions that a row sees.
    func positions(_ seen: SeenKeys) -> Range<Int> {
        (rule.window.map { max(0, seen.context - $0) } ?? 0)..<seen.context
    }

    /// What a query and a key have to do with each other, and the derivative of it by scale · q · k.
    func score(_ query: UnsafePointer<Float>, _ key: UnsafePointer<Float>) -> (value: Double, slope: Double) {
        let score = Double(rule.scale * dot(query, key, shape.headSize))
        guard let cap = rule.softCap.map(Double.init) else { return (score, 1) }
        // What is not finite becomes NaN: it must not hide as a cap.
        let share = tanh(score / cap) + score * 0
        return (cap * share, 1 - share * share)
    }

    /// Writes the values' mean, weighted by e^score; returns log Σ e^score.
    func attend(
        _ query: UnsafePointer<Float>, _ head: Int, _ seen: SeenKeys, into out: UnsafeMutablePointer<Float>
    ) -> Float {
        let (offset, size) = (offset(head), shape.headSize)
        var largest = -Double.infinity
        for position in positions(seen) {
            let score = score(query, seen.key(position, at: offset)).value
            scores[position] = score
            if score > largest { largest = score }
        }
        var sum = 0.0
        for position in positions(seen) {
            scores[position] = exp(scores[position] - largest)
            sum += scores[position]
        }
        out.update(repeating: 0, count: size)
        for position in positions(seen) {
            addScaled(out, Float(scores[position] / sum), seen.value(position, at: offset), size)
        }
        return Float(largest + log(sum))
    }
}

/// The gradients of attention over a whole batch.
struct PlainAttentionBackward {
    let shape: KeyValueCache.Shape
    let rule: AttentionRule
    let pages: LayerPages
    let pass: PlainPass
    let q, out, dOut, logSumExp, dq, dk, dv: PlainMatrix

    private var width: Int { shape.keyValueWidth }

    func compute() {
        for result in [dq, dk, dv] { result.base.update(repeating: 0, count: result.count) }
        for segment in pass.batch.segments {
            let count = segment.firstPosition * width
            // Keys first, then values.
            let prompt = UnsafeMutablePointer<Float>.allocate(capacity: 2 * count + 1)
            defer { prompt.deallocate() }
            prompt.initialize(repeating: 0, count: 2 * count + 1)
            addRows(of: segment, prompt: prompt)
            guard let parent = segment.parentFirstRow else { continue }
            addScaled(dk.row(parent), 1, prompt, count)
            addScaled(dv.row(parent), 1, prompt + count, count)
        }
    }

    /// Adds what a segment's rows ask of keys and values, their own and those of positions before them.
    private func addRows(of segment: Segment, prompt: UnsafeMutablePointer<Float>) {
        let attention = PlainAttention(shape, rule, maxContext: 0)
        for row in segment.firstRow..<segment.firstRow + segment.rows {
            let seen = pages.seen(by: row, of: pass.batch)
            for head in 0..<shape.heads {
                let offset = attention.offset(head)
                for position in attention.positions(seen) {
                    let own = position - segment.firstPosition
                    let (keys, values) =
                        own < 0
                        ? (prompt + position * width, prompt + (segment.firstPosition + position) * width)
                        : (dk.row(segment.firstRow + own), dv.row(segment.firstRow + own))
                    add(row, head, seen, position, attention, dKey: keys + offset, dValue: values + offset)
                }
            }
        }
    }

    /// Adds what one query and one key and value have to do with each other.
    private func add(
        _ row: Int, _ head: Int, _ seen: SeenKeys, _ position: Int, _ attention: PlainAttention,
        dKey: UnsafeMutablePointer<Float>, dValue: UnsafeMutablePointer<Float>
    ) {
        let (size, offset, at) = (shape.headSize, attention.offset(head), head * shape.headSize)
        let (query, dOut) = (q.row(row) + at, dOut.row(row) + at)
        let (key, value) = (seen.key(position, at: offset), seen.value(position, at: offset))
        let score = attention.score(query, key)
        let weight = exp(score.value - Double(logSumExp.row(row)[head]))
        // Of the output, the mean of values, the share that lies along its gradient is common to all keys.
        let along = Double(dot(dOut, value, size)) - Double(dot(dOut, out.row(row) + at, size))
        let dScore = Float(weight * along * score.slope) * rule.scale
        addScaled(dq.row(row) + at, dScore, key, size)
        addScaled(dKey, dScore, query, size)
        addScaled(dValue, Float(weight), dOut, size)
    }
}
