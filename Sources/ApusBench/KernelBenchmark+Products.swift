internal import ApusCPU
public import ApusTensor

extension KernelBenchmark {
    /// Rows of the activations: decoding one, a group and several groups; prefill and training.
    private static let rowCounts = [1, 6, 24, 512, 1024]
    /// Rows from which the gradient is measured: only training has it.
    private static let backwardRows = 512
    /// Weights that are rotated over may take this much memory, also where a cache is larger.
    private static let rotationLimit = 64 << 20
    /// Small weights are not made without end: each is a mapping of its own.
    private static let rotationCount = 256

    /// Times both projections of a model's feed-forward block in one format.
    ///
    /// - Throws: `TensorError` when memory runs out.
    public func products(of model: Model, format: WeightFormat) throws -> [Product] {
        let shapes = [
            (inputs: model.hiddenSize, outputs: model.intermediateSize),
            (inputs: model.intermediateSize, outputs: model.hiddenSize),
        ]
        return try shapes.flatMap { try products(format, inputs: $0.inputs, outputs: $0.outputs) }
    }

    func products(_ format: WeightFormat, inputs: Int, outputs: Int) throws -> [Product] {
        let weights = try rotation(format, inputs: inputs, outputs: outputs)
        var results: [Product] = []
        for rows in Self.rowCounts {
            let x = try Self.numbers(rows: rows, columns: inputs)
            let y = try Self.numbers(rows: rows, columns: outputs)
            let dx = try Matrix(rows: rows, columns: inputs)
            func add(_ direction: Direction, _ body: (Weight) -> Void) {
                let seconds = medianSeconds { call in body(weights[call % weights.count]) }
                results.append(
                    Product(
                        format: format, direction: direction, rows: rows, inputs: inputs, outputs: outputs,
                        weightBytes: weights[0].byteCount, seconds: seconds))
            }
            add(.forward) { weight in
                backend.linear(
                    x, [LinearProduct(weight: weight, bias: nil, lowRank: nil, projected: nil, output: y)])
            }
            if rows >= Self.backwardRows {
                add(.backward) { weight in
                    backend.linearBackward(
                        [LinearGradient(dOutput: y, weight: weight, adapter: nil)], input: x, dx: dx, accumulate: false)
                }
            }
        }
        return results
    }

    /// Weights of one shape that together do not fit the last-level cache, so that each call finds its own in memory, as
    /// the layers of a model do.
    func rotation(_ format: WeightFormat, inputs: Int, outputs: Int) throws -> [Weight] {
        let bytes = try backend.byteCount(format, outputs: outputs, inputs: inputs)
        return try weights(format, inputs: inputs, outputs: outputs, count: Self.rotationCount(bytes: bytes))
    }

    /// How many things of so many bytes no cache holds together, and one more.
    static func rotationCount(bytes: Int) -> Int {
        let wanted = min(Processor.lastLevelCacheBytes * 5 / 4, rotationLimit)
        return 1 + min(wanted / max(bytes, 1), rotationCount)
    }

    /// Some weights of one shape, whose values repeat after a few rows: making them shall cost little.
    func weights(_ format: WeightFormat, inputs: Int, outputs: Int, count: Int) throws -> [Weight] {
        if format == .nf4 {
            // One scale and any codes: quantising a hundred weights would take longer than all products.
            let stored = NF4Matrix(
                codes: (0..<(outputs * inputs + 1) / 2).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 13) },
                scales: [Float](repeating: 0.05, count: (outputs * inputs + 63) / 64), outputs: outputs, inputs: inputs)
            return try (0..<count).map { _ in try backend.makeWeight(stored) }
        }
        let pattern = try Self.numbers(rows: 64, columns: inputs, size: 0.05)
        return try (0..<count).map { _ in
            try backend.makeWeight(format, outputs: outputs, inputs: inputs) { rows, destination in
                guard let base = destination.baseAddress else { return }
                for (to, row) in rows.enumerated() {
                    let from = pattern.pointer + row % pattern.rows * inputs
                    (base + to * inputs).update(from: from, count: inputs)
                }
            }
        }
    }
}
