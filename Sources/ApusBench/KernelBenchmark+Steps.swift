internal import ApusCPU
internal import ApusTensor

extension KernelBenchmark {
    /// A part of a step: what it asks of the machine, and the time that its kernels take.
    public struct StepPart: Sendable {
        /// Which part.
        public let part: StepModel.Part
        /// What no way of computing it avoids.
        public let work: StepModel.Work
        /// Of all layers and calls, from medians of one of each.
        public let seconds: Double
    }

    /// A step as the sum of its parts.
    public struct Step: Sendable {
        /// Name of the model.
        public let model: String
        /// Which step.
        public let kind: StepModel.Kind
        /// The parts that it has.
        public let parts: [StepPart]
        /// The sum of what is not contained in another part.
        public var seconds: Double {
            parts.reduce(0) { $0 + ($1.part.isContained ? 0 : $1.seconds) }
        }
    }

    /// How the head is kept where a GGUF file has it in 8 bits, as the usual ones do.
    private static let headFormat = WeightFormat.int8

    /// Times the parts of steps: decoding one, six and 24 sequences, and training on six completions of 200 tokens.
    ///
    /// - Throws: `TensorError` when memory runs out.
    public func steps(of model: Model) throws -> [Step] {
        let layers = try layerWeights(of: model)
        let heads = try headWeights(of: model, format: Self.headFormat)
        let bytes = layers[0].joined().reduce(0) { $0 + $1.byteCount }
        let kinds: [StepModel.Kind] = [1, 6, 24].map { .decoding(sequences: $0) } + [.training]
        return try kinds.map { kind in
            let step = StepModel(model: model, kind: kind, weightBytes: (bytes, heads[0].byteCount))
            let timer = StepTimer(benchmark: self, step: step, layers: layers, heads: heads)
            let parts = try StepModel.Part.allCases.compactMap { part in
                try step.work(part).map { StepPart(part: part, work: $0, seconds: try timer.seconds(part)) }
            }
            return Step(model: model.name, kind: kind, parts: parts)
        }
    }

    /// Seconds of an empty run of all threads.
    func handOverSeconds() -> Double {
        let runs = 100
        return medianSeconds { _ in
            for _ in 0..<runs { backend.pool.run(backend.pool.threads) { _ in } }
        } / Double(runs)
    }
}

/// Times one of each kind of call of a step, and reckons what all of them take.
private struct StepTimer {
    let benchmark: KernelBenchmark
    let step: StepModel
    /// NF4 weights, [layer][call][module].
    let layers: [[[Weight]]]
    let heads: [Weight]

    private var model: KernelBenchmark.Model { step.model }
    private var isTraining: Bool { step.kind == .training }

    func seconds(_ part: StepModel.Part) throws -> Double {
        switch part {
        case .products: try Double(model.layers) * layerSeconds()
        case .head: try headSeconds()
        case .attention: try Double(model.layers) * attentionSeconds()
        case .rows: try Double(model.layers) * step.rowCalls.reduce(0) { $0 + Double($1.calls) * (try seconds($1)) }
        case .sampling: try seconds(step.sampling)
        case .rounding: try Double(model.layers) * roundingSeconds()
        case .handOver: Double(step.runs) * benchmark.handOverSeconds()
        }
    }

    private func seconds(_ call: StepModel.RowCall) throws -> Double {
        try benchmark.seconds(call.operation, model, rows: step.rows, columns: call.columns)
    }

    private func layerSeconds() throws -> Double {
        isTraining
            ? try benchmark.trainingLayerSeconds(of: model, layers[0], rows: step.rows)
            : try benchmark.layerSeconds(of: model, layers, rows: step.rows)
    }

    private func headSeconds() throws -> Double {
        guard isTraining else { return try benchmark.head(of: model, heads, rows: step.rows).seconds }
        return Double(GroupLayout.benchmark.targets) * (try benchmark.headGradientSeconds(of: model, heads[0]))
    }

    private func attentionSeconds() throws -> Double {
        guard isTraining else {
            return try benchmark.decodingAttention(of: model, rows: step.rows, context: StepModel.context).seconds
        }
        return try benchmark.attention(of: model).reduce(0) { $0 + $1.seconds }
    }

    private func roundingSeconds() throws -> Double {
        let widest = step.widestRounding
        let columns = step.roundingCalls.reduce(0) { $0 + $1.calls * $1.columns }
        return try seconds(widest) * Double(columns) / Double(widest.columns)
    }
}
