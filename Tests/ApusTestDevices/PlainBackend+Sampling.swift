public import ApusTensor
internal import Foundation

/// The tokens of sequences.
final class PlainTokenHistory: TokenHistory, PlainHandle, @unchecked Sendable {
    let device: PlainMark
    let vocabularySize: Int
    var tokens: [[Int32]]

    init(lines: Int, vocabularySize: Int, of device: PlainBackend) {
        self.device = device.mark
        self.vocabularySize = vocabularySize
        tokens = Array(repeating: [], count: lines)
        super.init(lines: lines)
    }
}

extension PlainBackend {
    /// See `Backend`.
    public func makeHistory(lines: Int, vocabularySize: Int) throws -> TokenHistory {
        PlainTokenHistory(lines: lines, vocabularySize: vocabularySize, of: self)
    }

    /// See `Backend`.
    public func setHistory(_ history: TokenHistory, line: Int, to tokens: [Int32]) {
        let history: PlainTokenHistory = own(history)
        precondition(0..<history.lines ~= line, "no line \(line)")
        precondition(tokens.allSatisfy { 0..<history.vocabularySize ~= Int($0) }, "a token outside the vocabulary")
        enqueue { history.tokens[line] = tokens }
    }

    /// See `Backend`.
    public func sample(
        _ logits: Matrix, rows: [SamplingRow], history: TokenHistory?, scoreTemperature: Float
    ) throws -> [SampledToken] {
        let (logits, history) = (own(logits), history.map { own($0, as: PlainTokenHistory.self) })
        logits.requireShape(rows.count, logits.columns)
        precondition(history.map { $0.vocabularySize == logits.columns } ?? true, "the history of another vocabulary")
        for row in rows { row.requireSense(vocabularySize: logits.columns, lines: history?.lines ?? 0) }
        let lines = rows.compactMap(\.line)
        precondition(Set(lines).count == lines.count, "two rows of one line")
        finish()
        // What they hold afterwards is nobody's business.
        defer { logits.base.update(repeating: .nan, count: logits.count) }
        let drawn = try rows.enumerated().map { index, row in
            let values = logits.row(index)
            var filtered = PlainSampler(Array(UnsafeBufferPointer(start: values, count: logits.columns)))
            guard let token = filtered.draw(row, seen: row.line.flatMap { history?.tokens[$0] } ?? []) else {
                throw TensorError(
                    "sampling: row \(index) of the logits holds NaN or infinity; the weights or the adapter are damaged"
                )
            }
            return SampledToken(
                token: Int32(token), score: HeadScore(values, logits.columns, token, scoreTemperature))
        }
        for (row, token) in zip(rows, drawn) { if let line = row.line { history?.tokens[line].append(token.token) } }
        return drawn
    }
}

extension SamplingRow {
    fileprivate func requireSense(vocabularySize: Int, lines: Int) {
        precondition(line.map { 0..<lines ~= $0 } ?? true, "no such line of the history")
        precondition(banned.allSatisfy { 0..<vocabularySize ~= Int($0) }, "a token outside the vocabulary is banned")
        precondition(temperature >= 0 && 0..<1 ~= uniform && topK >= 0, "no way to draw")
        precondition(topP >= 0 && minP >= 0 && repetitionPenalty > 0, "no way to draw")
    }
}

/// One row of logits on its way to a token.
struct PlainSampler {
    private var logits: [Float]

    init(_ logits: [Float]) { self.logits = logits }

    /// The token; nil where a logit is NaN or +∞, or all are -∞.
    mutating func draw(_ row: SamplingRow, seen: [Int32]) -> Int? {
        if row.repetitionPenalty != 1 {
            for token in Set(seen).map(Int.init) {
                let logit = logits[token]
                logits[token] = logit < 0 ? logit * row.repetitionPenalty : logit / row.repetitionPenalty
            }
        }
        for token in row.banned { logits[Int(token)] = -.infinity }
        if row.temperature == 0 { return largest.flatMap { logits.firstIndex(of: $0) } }
        if row.temperature != 1 { for i in logits.indices { logits[i] /= row.temperature } }
        guard let largest else { return nil }
        if row.topK > 0, row.topK < logits.count { keepTopK(row.topK) }
        if row.topP < 1 { keepTopP(row.topP, largest) }
        if row.minP > 0 { keepMinP(row.minP, largest) }
        return draw(at: row.uniform, largest)
    }

    /// The largest logit where anything can be drawn.
    private var largest: Float? {
        guard !logits.contains(where: \.isNaN), let largest = logits.max(), largest.isFinite else { return nil }
        return largest
    }

    /// What is as large as the k-th largest stays.
    private mutating func keepTopK(_ k: Int) {
        let threshold = logits.sorted(by: >)[k - 1]
        for i in logits.indices where logits[i] < threshold { logits[i] = -.infinity }
    }

    /// From the largest down, of equals the last first, tokens stay until they have the share p; the first stays in any case.
    private mutating func keepTopP(_ p: Float, _ largest: Float) {
        let weights = weights(largest)
        let limit = Double(p) * weights.reduce(0) { $0 + Double($1) }
        var passed = 0.0
        var isFirst = true
        for i in logits.indices.sorted(by: { (logits[$0], $0) > (logits[$1], $1) }) {
            if !isFirst, passed >= limit { logits[i] = -.infinity }
            passed += Double(weights[i])
            isFirst = false
        }
    }

    /// What has at least this share of the largest probability stays.
    private mutating func keepMinP(_ share: Float, _ largest: Float) {
        let weights = weights(largest)
        for i in logits.indices where weights[i] < share { logits[i] = -.infinity }
    }

    /// The first token whose cumulative weight passes that share of all.
    private func draw(at uniform: Double, _ largest: Float) -> Int {
        let weights = weights(largest)
        var left = uniform * weights.reduce(0) { $0 + Double($1) }
        for (token, weight) in weights.enumerated() {
            left -= Double(weight)
            if left < 0 { return token }
        }
        return weights.lastIndex { $0 > 0 } ?? 0
    }

    private func weights(_ largest: Float) -> [Float] { logits.map { exp($0 - largest) } }
}
