internal import ApusTensor

/// Weights as they are held.
extension OperationTrial {
    static var weights: [OperationTrial] {
        WeightFormat.allCases.flatMap { format in
            // Blocks of 64 of the flattened matrix end within rows, and the last one is short.
            [(70, 96), (5, 22), (200, 64)].map { outputs, inputs in
                OperationTrial(shape: "\(outputs) x \(inputs)", rounding: rounding(format)) { bench in
                    try embed(bench, format, outputs, inputs)
                }
            }
        }
            + [(5, 22), (70, 128)].map { outputs, inputs in
                OperationTrial(shape: "\(outputs) x \(inputs)", rounding: .weight(.nf4)) { bench in
                    try embedStored(bench, outputs, inputs)
                }
            }
    }

    fileprivate static func rounding(_ format: WeightFormat) -> OperationDifference.Rounding {
        format == .f32 ? .exact : .weight(format)
    }

    private static func embed(_ bench: TrialBench, _ format: WeightFormat, _ outputs: Int, _ inputs: Int) throws {
        let tokens = try bench.indices(2 * outputs, below: outputs)
        func note(_ name: String, _ table: Weight) throws {
            let x = try bench.room(tokens.count, inputs)
            bench.device.embed(tokens, table: table, into: x)
            bench.note("embed, \(name)", x)
        }
        let weight = try bench.weight(format, outputs: outputs, inputs: inputs)
        try note("any values", weight)
        // What Q4_0 holds.
        let scales = bench.values(outputs * inputs / 2)
        let grid = bench.numbers(outputs * inputs, below: 16).enumerated().map { Float($1 - 8) * scales[$0 / 32] }
        try note("values on a grid", try bench.weight(format, grid, outputs: outputs, inputs: inputs))
        if bench.device.weightLayout != nil {
            let parts = bench.device.packedParts(of: weight).map { bytes in
                SharedPart(of: bytes, range: bytes.withBytes { 0..<$0.count })
            }
            try note(
                "packed before",
                try bench.device.makeWeight(format, outputs: outputs, inputs: inputs, packed: parts))
        } else {
            try note("packed before", weight)
        }
        let bytes = try bench.device.byteCount(format, outputs: outputs, inputs: inputs)
        let adapter = try bench.device.makeAdapterWeight(outputs: outputs, inputs: inputs, beside: format)
        let adapterBytes = try bench.device.adapterByteCount(outputs: outputs, inputs: inputs, beside: format)
        bench.note("byteCount", .numbers([bytes == weight.byteCount ? 0 : 1]))
        bench.note("adapterByteCount", .numbers([adapterBytes == adapter.byteCount ? 0 : 1]))
    }

    private static func embedStored(_ bench: TrialBench, _ outputs: Int, _ inputs: Int) throws {
        let count = outputs * inputs
        let codes = bench.numbers((count + 1) / 2, below: 256).map { UInt8($0) }
        let scales = bench.values((count + 63) / 64).map(abs)
        let weight = try bench.device.makeWeight(
            NF4Matrix(codes: codes, scales: scales, outputs: outputs, inputs: inputs))
        let (tokens, x) = (try bench.indices(9, below: outputs), try bench.room(9, inputs))
        bench.device.embed(tokens, table: weight, into: x)
        bench.note("embed, stored in 4 bits", x)
    }
}

/// Products and their gradients.
extension OperationTrial {
    fileprivate struct ProductShape {
        var rows, inputs, outputs, rank: Int
    }

    private static let shapes = [
        ProductShape(rows: 1, inputs: 64, outputs: 70, rank: 4),
        ProductShape(rows: 33, inputs: 96, outputs: 64, rank: 8),
        ProductShape(rows: 60, inputs: 34, outputs: 130, rank: 3),
        ProductShape(rows: 130, inputs: 128, outputs: 200, rank: 16),
        ProductShape(rows: 260, inputs: 72, outputs: 136, rank: 6),
    ]

    static var linear: [OperationTrial] {
        WeightFormat.allCases.flatMap { format in
            shapes.flatMap { shape in
                [
                    products(shape, format) { try forward($0, format, shape, for: .scores) },
                    products(shape, format) { try forward($0, format, shape, for: .gradients) },
                    products(shape, format) { try backward($0, format, shape) },
                ]
            }
        }
    }

    private static func products(
        _ shape: ProductShape, _ format: WeightFormat, _ run: @escaping (TrialBench) throws -> Void
    ) -> OperationTrial {
        OperationTrial(
            shape: "\(shape.rows) x \(shape.inputs) to \(shape.outputs), rank \(shape.rank)",
            rounding: rounding(format)
        ) { bench in
            try bench.prepare(rows: shape.rows, width: max(shape.inputs, shape.outputs), isTraining: true)
            try run(bench)
        }
    }

    /// Together: one with everything, a bare product, one with another adapter, and the projection of one alone.
    private static func forward(
        _ bench: TrialBench, _ format: WeightFormat, _ shape: ProductShape, for use: ProductUse
    ) throws {
        let x = try bench.matrix(shape.rows, shape.inputs)
        let weights = try [shape.outputs, 24, 40, 24].map {
            try bench.weight(format, outputs: $0, inputs: shape.inputs)
        }
        let ranks = [shape.rank, 2, shape.rank + 4, shape.rank]
        let outputs = try weights.map { try bench.room(shape.rows, $0.outputs) }
        let projected = try ranks.map { try bench.room(shape.rows, $0) }
        let adapters = try zip(weights, ranks).map { try bench.adapter(beside: $0, rank: $1, scale: 2) }
        let bias = try bench.matrix(1, shape.outputs)
        func product(_ index: Int, bias: Matrix? = nil, isAdapted: Bool = true, output: Matrix?) -> LinearProduct {
            LinearProduct(
                weight: weights[index], bias: bias, lowRank: isAdapted ? adapters[index] : nil,
                projected: isAdapted ? projected[index] : nil, output: output)
        }
        bench.device.linear(
            x,
            [
                product(0, bias: bias, output: outputs[0]), product(1, isAdapted: false, output: outputs[1]),
                product(2, output: outputs[2]), product(3, output: nil),
            ], for: use)
        bench.note("linear for \(use), all", outputs[0], projected[0])
        bench.note("linear for \(use), bare", outputs[1])
        bench.note("linear for \(use), adapter", outputs[2], projected[2])
        bench.note("linear for \(use), projection", projected[3])
    }

    /// Of three products, one without an adapter: the input's gradient beside the input, added to another one, and in its
    /// place; and of the one without an adapter alone.
    private static func backward(_ bench: TrialBench, _ format: WeightFormat, _ shape: ProductShape) throws {
        let x = try bench.matrix(shape.rows, shape.inputs)
        let weights = try [shape.outputs, 24, 40].map { try bench.weight(format, outputs: $0, inputs: shape.inputs) }
        let ranks = [shape.rank, nil, shape.rank + 4]
        let dOutputs = try weights.map { try bench.matrix(shape.rows, $0.outputs) }
        let pairs = try zip(weights, ranks).map { weight, rank in
            try rank.map { try bench.adapter(beside: weight, rank: $0, scale: 2) }
        }
        let projected = try ranks.map { try $0.map { try bench.matrix(shape.rows, $0) } }
        let (beside, sum) = (try bench.room(shape.rows, shape.inputs), try bench.matrix(shape.rows, shape.inputs))
        for (dx, adds) in [(beside, false), (sum, true), (nil, false), (x, false)] as [(Matrix?, Bool)] {
            let gradients = try weights.indices.map { index in
                LinearGradient(
                    dOutput: dOutputs[index], weight: weights[index],
                    adapter: try pairs[index].map {
                        try adapterGradient(bench, $0, projected: projected[index], beside: weights[index])
                    })
            }
            bench.device.linearBackward(gradients, input: x, dx: dx, accumulate: adds)
            for adapter in gradients.compactMap(\.adapter) {
                bench.note("linearBackward, adapter", adapter.aGradient, adapter.bGradient, adapter.dProjected)
            }
        }
        let alone = try bench.room(shape.rows, shape.inputs)
        bench.device.linearBackward(
            [LinearGradient(dOutput: dOutputs[1], weight: weights[1], adapter: nil)], input: x, dx: alone,
            accumulate: false)
        bench.note("linearBackward, input", beside, sum, x, alone)
    }

    private static func adapterGradient(
        _ bench: TrialBench, _ pair: LowRank, projected: Matrix?, beside weight: Weight
    ) throws -> LinearGradient.Adapter {
        guard let projected else { preconditionFailure("an adapter has a projection") }
        return LinearGradient.Adapter(
            lowRank: pair, projected: projected, dProjected: try bench.room(projected.rows, pair.rank),
            aGradient: try bench.matrix(pair.rank, weight.inputs),
            bGradient: try bench.matrix(weight.outputs, pair.rank), scale: 2)
    }
}
