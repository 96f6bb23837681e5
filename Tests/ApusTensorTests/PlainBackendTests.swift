import ApusTensor
import ApusTestDevices
import Foundation
import Testing

@Suite struct PlainBackendTests {
    @Test func operationsWaitInOrder() throws {
        let device = PlainBackend()
        let (x, y) = (
            try device.makeMatrix([1, 2, 3], rows: 1, columns: 3), try device.makeMatrix(rows: 1, columns: 3)
        )
        #expect(device.download(y).allSatisfy { $0.isNaN })
        device.copy(x, into: y)
        device.upload([7, 8, 9], to: x)
        device.scale(y, by: 2)
        #expect(device.download(y) == [2, 4, 6])
        #expect(device.download(x) == [7, 8, 9])
    }

    @Test func sampleSpendsLogitsAndAppends() throws {
        let device = PlainBackend()
        func row(_ line: Int?) -> SamplingRow {
            SamplingRow(
                temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 10, line: line, banned: [], uniform: 0)
        }
        let history = try device.makeHistory(lines: 1, vocabularySize: 3)
        device.setHistory(history, line: 0, to: [])
        var tokens: [Int32] = []
        for _ in 0..<2 {
            let logits = try device.makeMatrix([1, 3, 2], rows: 1, columns: 3)
            tokens += try device.sample(logits, rows: [row(0)], history: history, scoreTemperature: 1).map(\.token)
            #expect(device.download(logits).allSatisfy { $0.isNaN })
        }
        #expect(tokens == [1, 2])
        for bad: [Float] in [[.nan, 0, 0], [.infinity, 0, 0], [-.infinity, -.infinity, -.infinity]] {
            let logits = try device.makeMatrix(bad, rows: 1, columns: 3)
            #expect(throws: TensorError.self) {
                try device.sample(logits, rows: [row(nil)], history: nil, scoreTemperature: 1)
            }
        }
    }

    @Test func oddInputsAreRefused() {
        for format in WeightFormat.allCases where format != .f32 {
            #expect(throws: TensorError.self) { try PlainBackend().byteCount(format, outputs: 2, inputs: 3) }
            #expect(throws: TensorError.self) {
                try PlainBackend().makeWeight(format, outputs: 2, inputs: 3) { _, _ in }
            }
        }
    }

    @Test func foreignHandles() async {
        await #expect(processExitsWith: .failure) {
            let x = try PlainBackend().makeMatrix(rows: 1, columns: 1)
            PlainBackend().fill(x, with: 1)
        }
    }
    @Test func wrongShapes() async {
        await #expect(processExitsWith: .failure) {
            let device = PlainBackend()
            device.add(try device.makeMatrix(rows: 1, columns: 2), try device.makeMatrix(rows: 2, columns: 1))
        }
    }
    @Test func resultsOnOperands() async {
        await #expect(processExitsWith: .failure) {
            let device = PlainBackend()
            let x = try device.makeMatrix(rows: 2, columns: 2)
            device.gather(x, try device.makeIndices([1, 0]), into: x)
        }
    }
    @Test func indicesOutside() async {
        await #expect(processExitsWith: .failure) {
            let device = PlainBackend()
            let x = try device.makeMatrix(rows: 2, columns: 2)
            device.gather(x, try device.makeIndices([2]), into: try device.makeMatrix(rows: 1, columns: 2))
        }
    }

    /// About 4 million parameters, 300 rows.
    @Test func speed() throws {
        let device = PlainBackend()
        let (rows, layers) = (300, 4)
        var batch = PackedBatch()
        let first = batch.append(table: (0..<19).map { $0 })
        batch.append([Int32](repeating: 0, count: rows)[...], firstPosition: 0, tableOffset: first, parentFirstRow: nil)
        let shape = KeyValueCache.Shape(layers: layers, heads: 4, keyValueHeads: 2, headSize: 64, format: .f32)
        let cache = try device.makeCache(shape, pages: 19)
        let pass = try device.prepare(
            batch, for: PassNeeds(cache: shape, width: 1024, pages: [cache], isTraining: true))
        func w(_ o: Int, _ i: Int) throws -> Weight {
            try device.makeWeight(.f32, outputs: o, inputs: i) { $1.update(repeating: 0.01) }
        }
        func m(_ c: Int) throws -> Matrix {
            try device.makeMatrix([Float](repeating: 0.5, count: rows * c), rows: rows, columns: c)
        }
        let clock = ContinuousClock()
        let (x, q, k, v, g, u, h, out) = (
            try m(256), try m(256), try m(128), try m(128), try m(768), try m(768), try m(768), try m(256)
        )
        let (lse, dq, dk, dv, dx) = (try m(4), try m(256), try m(128), try m(128), try m(256))
        let (wq, wk, wg, wd) = (try w(256, 256), try w(128, 256), try w(768, 256), try w(256, 768))
        let forward = clock.measure {
            for layer in 0..<layers {
                device.linear(
                    x,
                    [(wq, q), (wk, k), (wk, v)].map {
                        LinearProduct(weight: $0, bias: nil, lowRank: nil, projected: nil, output: $1)
                    })
                device.writeKeysAndValues(k, v, cache: cache, layer: layer, pass)
                device.attention(
                    q, cache: cache, layer: layer, rule: AttentionRule(scale: 0.1), pass, into: out, logSumExp: lse)
                device.linear(out, [LinearProduct(weight: wq, bias: nil, lowRank: nil, projected: nil, output: dx)])
                device.linear(
                    x,
                    [(wg, g), (wg, u)].map {
                        LinearProduct(weight: $0, bias: nil, lowRank: nil, projected: nil, output: $1)
                    })
                device.gate(.silu, g, u, into: h)
                device.linear(h, [LinearProduct(weight: wd, bias: nil, lowRank: nil, projected: nil, output: dx)])
            }
            _ = device.download(dx)
        }
        let backward = clock.measure {
            for layer in 0..<layers {
                device.linearBackward(
                    [LinearGradient(dOutput: dx, weight: wd, adapter: nil)], input: h, dx: h, accumulate: false)
                device.linearBackward(
                    [g, u].map { LinearGradient(dOutput: $0, weight: wg, adapter: nil) }, input: x, dx: x,
                    accumulate: false)
                device.attentionBackward(
                    q, out: out, dOut: x, logSumExp: lse, cache: cache, layer: layer, rule: AttentionRule(scale: 0.1),
                    pass, dq: dq, dk: dk, dv: dv)
            }
            _ = device.download(dq)
        }
        print("forward", forward, "backward", backward)
    }
}
