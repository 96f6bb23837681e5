internal import ApusCPU
public import ApusTensor

extension KernelBenchmark {
    /// Targets whose gradient is timed: a block for each of two threads, as many as go through the head together.
    private static let scoredTargets = 192

    /// Times a model's head for the rows of decoding one, a group and several groups.
    ///
    /// - Throws: `TensorError` when memory runs out.
    public func head(of model: Model, format: WeightFormat) throws -> [Product] {
        let weights = try headWeights(of: model, format: format)
        return try [1, 6, 24].map { try head(of: model, weights, rows: $0) }
    }

    func headWeights(of model: Model, format: WeightFormat) throws -> [Weight] {
        try rotation(format, inputs: model.hiddenSize, outputs: model.vocabularySize)
    }

    func head(of model: Model, _ weights: [Weight], rows: Int) throws -> Product {
        let hidden = try Self.numbers(rows: rows, columns: model.hiddenSize)
        let logits = try Matrix(rows: rows, columns: model.vocabularySize)
        try backend.prepareProducts(rows: rows, width: model.hiddenSize)
        let seconds = medianSeconds { call in
            backend.logits(hidden, head: OutputHead(weights[call % weights.count]), adapter: nil, into: logits)
        }
        return Product(
            format: weights[0].format, direction: .forward, rows: rows, inputs: model.hiddenSize,
            outputs: model.vocabularySize, weightBytes: weights[0].byteCount, seconds: seconds)
    }

    /// Seconds that the gradient of the hidden state takes for each scored token.
    func headGradientSeconds(of model: Model, _ weight: Weight) throws -> Double {
        let count = Self.scoredTargets
        let hidden = try Self.numbers(rows: count, columns: model.hiddenSize)
        let gradient = try Matrix(rows: count, columns: model.hiddenSize)
        let targets = HeadTargets(
            rows: try backend.makeIndices((0..<count).map(Int32.init)),
            tokens: try backend.makeIndices((0..<count).map { Int32($0 % model.vocabularySize) }))
        let head = OutputHead(weight)
        _ = try backend.prepare(
            PackedBatch(), for: PassNeeds(cache: model.attention, width: model.hiddenSize, head: head))
        let scores = try Matrix(rows: count, columns: HeadScore.width)
        backend.score(hidden, targets, head: head, temperature: 1, into: scores)
        let gradients = try backend.makeMatrix(
            (0..<count).flatMap { _ in [1, 0] }, rows: count, columns: HeadScore.gradientWidth)
        return medianSeconds { _ in
            backend.scoreBackward(
                hidden, targets, scores: scores, gradients: gradients, head: head, temperature: 1, into: gradient)
        } / Double(count)
    }

    /// As `medianSeconds`, for operations that may fail.
    func medianSecondsThrowing(_ body: (_ call: Int) throws -> Void) throws -> Double {
        var failure: (any Error)?
        let seconds = medianSeconds { call in
            do { try body(call) } catch { failure = error }
        }
        if let failure { throw failure }
        return seconds
    }
}
