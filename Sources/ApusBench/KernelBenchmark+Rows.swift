internal import ApusCPU
internal import ApusTensor

extension KernelBenchmark {
    /// The time of an operation over rows.
    public struct RowWork: Sendable {
        /// Name of the model whose widths these are.
        public let model: String
        /// What is done.
        public let operation: RowOperation
        /// Rows.
        public let rows: Int
        /// Values in a row.
        public let columns: Int
        /// Median over the repetitions.
        public let seconds: Double

        /// Nanoseconds for 64 values.
        public var blockNanoseconds: Double { seconds * 1e9 * 64 / Double(rows * columns) }
        /// Bytes read and written a nanosecond, wherever they lie.
        public var gigabytesPerSecond: Double { operation.bytes * Double(rows * columns) / seconds / 1e9 }
    }

    /// Times what a step of decoding six sequences and a step of training do to rows.
    ///
    /// - Throws: `TensorError` when memory runs out.
    public func rowWork(of model: Model) throws -> [RowWork] {
        let kinds: [StepModel.Kind] = [.decoding(sequences: 6), .training]
        return try kinds.flatMap { kind in
            let step = StepModel(model: model, kind: kind, weightBytes: (0, 0))
            let sampling = kind == .training ? [] : [step.sampling]
            return try (step.rowCalls + [step.widestRounding] + sampling).map { call in
                let seconds = try seconds(call.operation, model, rows: step.rows, columns: call.columns)
                return RowWork(
                    model: model.name, operation: call.operation, rows: step.rows, columns: call.columns,
                    seconds: seconds)
            }
        }
    }

    /// The median time of one operation over rows.
    func seconds(_ operation: RowOperation, _ model: Model, rows: Int, columns: Int) throws -> Double {
        let a = try Self.numbers(rows: rows, columns: columns)
        let b = try Self.numbers(rows: rows, columns: columns)
        let c = try Matrix(rows: rows, columns: columns)
        switch operation {
        case .rounding: return try roundingSeconds(a)
        case .rotation: return try rotationSeconds(a, headSize: model.attention.headSize)
        case .sampling: return try samplingSeconds(a)
        case .copy:
            let order = try backend.makeIndices((0..<Int32(rows)).reversed())
            return medianSeconds { _ in backend.gather(a, order, into: c) }
        case .gate: return medianSeconds { _ in backend.gate(.silu, a, b, into: c) }
        case .gateBackward:
            // Gate and up become their gradients, here zeros: none may shrink to subnormal numbers, which are slow.
            return medianSeconds { _ in backend.gateBackward(.silu, gate: a, up: b, dh: c) }
        case .norm, .addNorm, .normBackward: return try normSeconds(operation, a, b, c)
        }
    }

    private func normSeconds(_ operation: RowOperation, _ a: Matrix, _ b: Matrix, _ c: Matrix) throws -> Double {
        let gain = try Self.numbers(rows: 1, columns: a.columns)
        return medianSeconds { _ in
            switch operation {
            case .addNorm: backend.addRMSNorm(a, adding: b, gain: gain, epsilon: 1e-5, into: c)
            case .normBackward: backend.rmsNormBackward(a, gain: gain, epsilon: 1e-5, dy: b, addingTo: c)
            default: backend.rmsNorm(a, gain: gain, epsilon: 1e-5, into: c)
            }
        }
    }

    /// Many rows are rounded by the thread that multiplies them.
    private func roundingSeconds(_ x: Matrix) throws -> Double {
        let form = try backend.makeAdapterWeight(outputs: 1, inputs: x.columns, beside: .nf4).cpu.inputForm
        try backend.prepareProducts(rows: x.rows, width: x.columns)
        let rows = backend.productRows(x, slot: 0, form: form)
        return medianSeconds { _ in
            if x.rows <= CPUBackend.fewRows {
                backend.roundFewRows(rows)
            } else {
                backend.split(x.rows) { _, range in backend.round(rows, range) }
            }
        }
    }

    private func rotationSeconds(_ x: Matrix, headSize: Int) throws -> Double {
        let frequencies = (0..<headSize / 2).map { 1 / Float($0 + 1) }
        let table = try backend.makeRotaryTable(inverseFrequencies: frequencies, positions: x.rows, factor: 1)
        let size = KeyValueCache.pageTokens
        var batch = PackedBatch()
        let offset = batch.append(table: (0..<Int32((x.rows + size - 1) / size)).map { $0 })
        batch.append(
            ArraySlice(repeating: 0, count: x.rows), firstPosition: 0, tableOffset: offset, parentFirstRow: nil)
        let shape = KeyValueCache.Shape(layers: 1, heads: 1, keyValueHeads: 1, headSize: headSize, format: .fixed)
        let pass = try backend.prepare(batch, for: PassNeeds(cache: shape, width: x.columns))
        return medianSeconds { _ in backend.rope(x, headSize: headSize, table: table, pass, inverse: false) }
    }

    private func samplingSeconds(_ logits: Matrix) throws -> Double {
        let rules = (0..<logits.rows).map { row in
            SamplingRow(
                temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, line: nil, banned: [],
                uniform: (Double(row) + 0.5) / Double(logits.rows))
        }
        return try medianSecondsThrowing { _ in
            _ = try backend.sample(logits, rows: rules, history: nil, scoreTemperature: 1)
        }
    }
}
