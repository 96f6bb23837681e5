import ApusTensor
import ApusTestDevices
import Foundation
import Testing

/// Gradients of the plain device against finite differences of formulas in double.
@Suite struct PlainFormulaTests {
    let device = PlainBackend()

    func random(_ count: Int, _ seed: UInt32) -> [Float] {
        let philox = Philox(seed: 4)
        return (0..<count).map { Float(philox.words(UInt32($0), seed, 0, 0).0 >> 8) * 0x1p-23 - 1 }
    }
    func doubles(_ x: [Float]) -> [Double] { x.map(Double.init) }
    func finite(_ x: [Float], _ f: ([Double]) -> Double) -> [Double] {
        let x = doubles(x)
        return x.indices.map { i in
            var (up, down) = (x, x)
            up[i] += 1e-5
            down[i] -= 1e-5
            return (f(up) - f(down)) / 2e-5
        }
    }
    func close(_ a: [Float], _ b: [Double], _ t: Double = 2e-6, _ place: SourceLocation = #_sourceLocation) {
        let largest = b.reduce(0) { max($0, abs($1)) }
        let off = zip(a, b).reduce(0) { max($0, abs(Double($1.0) - $1.1)) } / largest
        #expect(a.count == b.count && off < t, "\(off)", sourceLocation: place)
    }
    func weighted(_ a: [Double], _ w: [Float]) -> Double { zip(a, w).reduce(0) { $0 + $1.0 * Double($1.1) } }

    @Test func norms() throws {
        let (rows, n) = (3, 10)
        let (x, g, dy) = (random(rows * n, 1), random(n, 2), random(rows * n, 3))
        func f(_ x: [Double], _ g: [Double]) -> [Double] {
            (0..<rows).flatMap { r -> [Double] in
                let row = x[r * n..<(r + 1) * n]
                let inverse = 1 / (row.reduce(0) { $0 + $1 * $1 } / Double(n) + 0.01).squareRoot()
                return zip(row, g).map { $0 * inverse * $1 }
            }
        }
        let (mx, mg, mdy) = (
            try device.makeMatrix(x, rows: rows, columns: n), try device.makeMatrix(g, rows: 1, columns: n),
            try device.makeMatrix(dy, rows: rows, columns: n)
        )
        let y = try device.makeMatrix(rows: rows, columns: n)
        device.rmsNorm(mx, gain: mg, epsilon: 0.01, into: y)
        close(device.download(y), f(doubles(x), doubles(g)))
        let (dx, dg) = (try device.makeMatrix(rows: rows, columns: n), try device.makeMatrix(rows: 1, columns: n))
        device.fill(dx, with: 0)
        device.fill(dg, with: 0)
        device.rmsNormBackward(mx, gain: mg, epsilon: 0.01, dy: mdy, addingTo: dx)
        device.rmsNormGainBackward(mx, epsilon: 0.01, dy: mdy, addingTo: dg)
        close(device.download(dx), finite(x) { weighted(f($0, doubles(g)), dy) })
        close(device.download(dg), finite(g) { weighted(f(doubles(x), $0), dy) })
    }

    @Test(arguments: GateActivation.allCases) func gates(activation: GateActivation) throws {
        let (g, u, dh) = (random(40, 1).map { $0 * 5 }, random(40, 2), random(40, 3))
        func f(_ g: [Double], _ u: [Double]) -> [Double] {
            zip(g, u).map { g, u in
                switch activation {
                case .silu: g / (1 + exp(-g)) * u
                case .geluTanh: g * (1 + tanh((2 / Double.pi).squareRoot() * (g + 0.044715 * g * g * g))) / 2 * u
                }
            }
        }
        let m = try [g, u, dh].map { try device.makeMatrix($0, rows: 4, columns: 10) }
        let h = try device.makeMatrix(rows: 4, columns: 10)
        device.gate(activation, m[0], m[1], into: h)
        close(device.download(h), f(doubles(g), doubles(u)))
        device.gateBackward(activation, gate: m[0], up: m[1], dh: m[2])
        close(device.download(m[0]), finite(g) { weighted(f($0, doubles(u)), dh) })
        close(device.download(m[1]), finite(u) { weighted(f(doubles(g), $0), dh) })
    }

    @Test(arguments: [(1, nil), (0.5, nil), (1, 3), (2, 2)] as [(Float, Float?)])
    func heads(scale: Float, cap: Float?) throws {
        let (v, n, rows, t) = (23, 12, 2, Float(0.7))
        let (w, x) = (random(v * n, 1), random(rows * n, 2).map { $0 * 3 })
        let (where_, tokens): ([Int32], [Int32]) = ([0, 1, 1], [3, 22, 0])
        let d = random(6, 3)
        func logits(_ x: ArraySlice<Double>) -> [Double] {
            (0..<v).map { o in
                let p = zip(x, w[o * n..<(o + 1) * n]).reduce(0) { $0 + $1.0 * Double($1.1) } * Double(scale)
                return cap.map { Double($0) * tanh(p / Double($0)) } ?? p
            }
        }
        func scores(_ x: [Double]) -> [(Double, Double)] {
            zip(where_, tokens).map { r, token in
                let z = logits(x[Int(r) * n..<(Int(r) + 1) * n]).map { $0 / Double(t) }
                let lse = log(z.reduce(0) { $0 + exp($1) })
                return (z[Int(token)] - lse, z.reduce(0) { $0 - exp($1 - lse) * ($1 - lse) })
            }
        }
        let head = OutputHead(
            try device.makeWeight(.f32, outputs: v, inputs: n) {
                _ = $1.update(from: w[$0.lowerBound * n..<$0.upperBound * n])
            },
            scale: scale, softCap: cap)
        var batch = PackedBatch()
        let table = batch.append(table: [0])
        batch.append([1, 2][...], firstPosition: 0, tableOffset: table, parentFirstRow: nil)
        let shape = KeyValueCache.Shape(layers: 1, heads: 1, keyValueHeads: 1, headSize: 2, format: .f32)
        _ = try device.prepare(batch, for: PassNeeds(cache: shape, width: n, head: head, isTraining: true))
        let hidden = try device.makeMatrix(x, rows: rows, columns: n)
        let targets = HeadTargets(rows: try device.makeIndices(where_), tokens: try device.makeIndices(tokens))
        let found = try device.makeMatrix(rows: 3, columns: 3)
        device.score(hidden, targets, head: head, temperature: t, into: found)
        let expected = scores(doubles(x))
        close(try device.scores(in: found).map(\.logProb), expected.map(\.0))
        close(try device.scores(in: found).map(\.entropy), expected.map(\.1))
        let (gradients, dHidden) = (
            try device.makeMatrix(d, rows: 3, columns: 2), try device.makeMatrix(rows: 3, columns: n)
        )
        device.scoreBackward(
            hidden, targets, scores: found, gradients: gradients, head: head, temperature: t, into: dHidden)
        let sum = try device.makeMatrix([Float](repeating: 0, count: rows * n), rows: rows, columns: n)
        device.scatterAdd(dHidden, targets.rows, into: sum)
        close(
            device.download(sum),
            finite(x) { x in
                zip(scores(x), stride(from: 0, to: 6, by: 2)).reduce(0) {
                    $0 + Double(d[$1.1]) * $1.0.0 + Double(d[$1.1 + 1]) * $1.0.1
                }
            })
        // Through whole rows of logits and the head's own products.
        let (states, rowsOfLogits) = (
            try device.makeMatrix(rows: 3, columns: n), try device.makeMatrix(rows: 3, columns: v)
        )
        device.gather(hidden, targets.rows, into: states)
        device.logits(states, head: head, adapter: nil, into: rowsOfLogits)
        device.logitsBackward(
            rowsOfLogits, tokens: targets.tokens, scores: found, gradients: gradients, head: head, temperature: t)
        let again = try device.makeMatrix(rows: 3, columns: n)
        device.linearBackward(
            [LinearGradient(dOutput: rowsOfLogits, weight: head.weight, adapter: nil)], input: states, dx: again,
            accumulate: false)
        close(device.download(again), doubles(device.download(dHidden)), 1e-12)
    }

    @Test func linearWithAdapter() throws {
        let (rows, i, o, r, s) = (3, 8, 5, 2, Float(1.5))
        let (w, a, b, bias, x, dy) = (
            random(o * i, 1), random(r * i, 2), random(o * r, 3), random(o, 4), random(rows * i, 5), random(rows * o, 6)
        )
        func f(_ x: [Double], _ a: [Double], _ b: [Double]) -> [Double] {
            (0..<rows).flatMap { row in
                (0..<o).map { out in
                    var y = Double(bias[out])
                    for k in 0..<i { y += x[row * i + k] * Double(w[out * i + k]) }
                    for j in 0..<r {
                        for k in 0..<i { y += x[row * i + k] * a[j * i + k] * Double(s) * b[out * r + j] }
                    }
                    return y
                }
            }
        }
        let weight = try device.makeWeight(.f32, outputs: o, inputs: i) {
            _ = $1.update(from: w[$0.lowerBound * i..<$0.upperBound * i])
        }
        let pair = LowRank(
            a: try device.makeAdapterWeight(outputs: r, inputs: i, beside: .f32),
            b: try device.makeAdapterWeight(outputs: o, inputs: r, beside: .f32))
        device.repack([
            Repacking(pair.a, from: try device.makeMatrix(a, rows: r, columns: i)),
            Repacking(pair.b, from: try device.makeMatrix(b, rows: o, columns: r), scale: s),
        ])
        let (mx, y, p) = (
            try device.makeMatrix(x, rows: rows, columns: i), try device.makeMatrix(rows: rows, columns: o),
            try device.makeMatrix(rows: rows, columns: r)
        )
        device.linear(
            mx,
            [
                LinearProduct(
                    weight: weight, bias: try device.makeMatrix(bias, rows: 1, columns: o), lowRank: pair, projected: p,
                    output: y)
            ])
        close(device.download(y), f(doubles(x), doubles(a), doubles(b)))
        let (da, db) = (
            try device.makeMatrix([Float](repeating: 0, count: r * i), rows: r, columns: i),
            try device.makeMatrix([Float](repeating: 0, count: o * r), rows: o, columns: r)
        )
        let adapter = LinearGradient.Adapter(
            lowRank: pair, projected: p, dProjected: try device.makeMatrix(rows: rows, columns: r), aGradient: da,
            bGradient: db, scale: s)
        device.linearBackward(
            [
                LinearGradient(
                    dOutput: try device.makeMatrix(dy, rows: rows, columns: o), weight: weight, adapter: adapter)
            ], input: mx, dx: mx, accumulate: false)
        close(device.download(mx), finite(x) { weighted(f($0, doubles(a), doubles(b)), dy) })
        close(device.download(da), finite(a) { weighted(f(doubles(x), $0, doubles(b)), dy) })
        close(device.download(db), finite(b) { weighted(f(doubles(x), doubles(a), $0), dy) })
    }

    @Test(arguments: [(nil, nil), (nil, 5), (1.5, nil), (2, 18)] as [(Float?, Int?)])
    func attention(cap: Float?, window: Int?) throws {
        let (heads, kv, size, prompt, completions) = (4, 2, 6, 19, [15, 2])
        var batch = PackedBatch()
        let first = batch.append(table: [7, 3])
        batch.append(
            [Int32](repeating: 0, count: prompt)[...], firstPosition: 0, tableOffset: first, parentFirstRow: nil)
        for (index, count) in completions.enumerated() {
            let table = batch.append(table: [7, Int32(5 - index), Int32(1 - index)])
            batch.append(
                [Int32](repeating: 0, count: count)[...], firstPosition: prompt, tableOffset: table, parentFirstRow: 0)
            batch.copyTail(promptFirstRow: 0, promptCount: prompt, tableOffset: table)
        }
        let rows = batch.rows
        let sequences: [[Int]] = [
            Array(0..<prompt), Array(0..<prompt) + Array(19..<34), Array(0..<prompt) + Array(34..<36),
        ]
        let owned = [0..<19, 19..<34, 34..<36]
        let (q, k, v, dOut) = (
            random(rows * heads * size, 1).map { $0 * 3 }, random(rows * kv * size, 2), random(rows * kv * size, 3),
            random(rows * heads * size, 4)
        )
        func f(_ q: [Double], _ k: [Double], _ v: [Double]) -> (out: [Double], lse: [Double]) {
            var (out, lse) = (
                [Double](repeating: 0, count: rows * heads * size), [Double](repeating: 0, count: rows * heads)
            )
            for (sequence, own) in zip(sequences, owned) {
                for (position, row) in sequence.enumerated() where own.contains(row) {
                    for head in 0..<heads {
                        let seen = Array(sequence[...position].suffix(window ?? .max))
                        let scores = seen.map { key -> Double in
                            var s = 0.0
                            for d in 0..<size {
                                s += q[(row * heads + head) * size + d] * k[(key * kv + head / 2) * size + d]
                            }
                            s *= 0.4
                            return cap.map { Double($0) * tanh(s / Double($0)) } ?? s
                        }
                        let sum = scores.reduce(0) { $0 + exp($1) }
                        lse[row * heads + head] = log(sum)
                        for (key, s) in zip(seen, scores) {
                            for d in 0..<size {
                                out[(row * heads + head) * size + d] +=
                                    exp(s) / sum * v[(key * kv + head / 2) * size + d]
                            }
                        }
                    }
                }
            }
            return (out, lse)
        }
        let shape = KeyValueCache.Shape(layers: 3, heads: heads, keyValueHeads: kv, headSize: size, format: .f32)
        let cache = try device.makeCache(shape, pages: 8)
        let pass = try device.prepare(
            batch, for: PassNeeds(cache: shape, width: heads * size, pages: [cache], isTraining: true))
        func m(_ x: [Float]) throws -> Matrix { try device.makeMatrix(x, rows: rows, columns: x.count / rows) }
        let (mq, mk, mv, md) = (try m(q), try m(k), try m(v), try m(dOut))
        let (out, lse) = (
            try m([Float](repeating: .nan, count: q.count)), try device.makeMatrix(rows: rows, columns: heads)
        )
        let rule = AttentionRule(scale: 0.4, softCap: cap, window: window)
        device.writeKeysAndValues(mk, mv, cache: cache, layer: 2, pass)
        device.attention(mq, cache: cache, layer: 2, rule: rule, pass, into: out, logSumExp: lse)
        let expected = f(doubles(q), doubles(k), doubles(v))
        close(device.download(out), expected.out)
        close(device.download(lse), expected.lse)
        let (dq, dk, dv) = (
            try device.makeMatrix(rows: rows, columns: heads * size),
            try device.makeMatrix(rows: rows, columns: kv * size), try device.makeMatrix(rows: rows, columns: kv * size)
        )
        device.attentionBackward(
            mq, out: out, dOut: md, logSumExp: lse, cache: cache, layer: 2, rule: rule, pass, dq: dq, dk: dk, dv: dv)
        close(device.download(dq), finite(q) { weighted(f($0, doubles(k), doubles(v)).out, dOut) })
        close(device.download(dk), finite(k) { weighted(f(doubles(q), $0, doubles(v)).out, dOut) })
        close(device.download(dv), finite(v) { weighted(f(doubles(q), doubles(k), $0).out, dOut) })
    }
}
