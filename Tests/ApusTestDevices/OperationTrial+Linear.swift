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
        } + [OperationTrial(shape: "5 x 22", rounding: .weight(.nf4)) { try embedStored($0, 5, 22) }]
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
    private static let shapes: [(rows: Int, inputs: Int, outputs: Int, rank: Int)] = [
        (1, 64, 70, 4), (33, 96, 64, 8), (60, 34, 130, 3), (130, 128, 200, 16),
    ]

    static var linear: [OperationTrial] {
        WeightFormat.allCases.flatMap { format in
            shapes.flatMap { shape in
                [forward, backward].map { run in
                    OperationTrial(
                        shape: "\(shape.rows) x \(shape.inputs) to \(shape.outputs), rank \(shape.rank)",
                        rounding: rounding(format)
                    ) { bench in
                        try bench.prepare(rows: shape.rows, width: max(shape.inputs, shape.outputs), isTraining: true)
                        try run(bench, format, shape)
                    }
                }
            }
        }
    }

    /// Together: a bare product, one with everything, and the projection of one alone.
    private static func forward(
        _ bench: TrialBench, _ format: WeightFormat, _ shape: (rows: Int, inputs: Int, outputs: Int, rank: Int)
    ) throws {
        let x = try bench.matrix(shape.rows, shape.inputs)
        let weights = try [shape.outputs, 24, 24].map {
            try bench.weight(format, outputs: $0, inputs: shape.inputs)
        }
        let outputs = try weights.map { try bench.room(shape.rows, $0.outputs) }
        let projected = try weights.map { _ in try bench.room(shape.rows, shape.rank) }
        let adapters = try weights.map { try bench.adapter(beside: $0, rank: shape.rank, scale: 2) }
        let bias = try bench.matrix(1, shape.outputs)
        bench.device.linear(
            x,
            [
                LinearProduct(
                    weight: weights[0], bias: bias, lowRank: adapters[0], projected: projected[0], output: outputs[0]),
                LinearProduct(weight: weights[1], bias: nil, lowRank: nil, projected: nil, output: outputs[1]),
                LinearProduct(
                    weight: weights[2], bias: nil, lowRank: adapters[2], projected: projected[2], output: nil),
            ])
        bench.note("linear, all", outputs[0], projected[0])
        bench.note("linear, bare", outputs[1])
        bench.note("linear, projection", projected[2])
    }

    /// Of two products, one with an adapter: the input's gradient beside the input, added to another one, and in its place.
    private static func backward(
        _ bench: TrialBench, _ format: WeightFormat, _ shape: (rows: Int, inputs: Int, outputs: Int, rank: Int)
    ) throws {
        let x = try bench.matrix(shape.rows, shape.inputs)
        let weights = try [shape.outputs, 24].map { try bench.weight(format, outputs: $0, inputs: shape.inputs) }
        let dOutputs = try weights.map { try bench.matrix(shape.rows, $0.outputs) }
        let pair = try bench.adapter(beside: weights[0], rank: shape.rank, scale: 2)
        let projected = try bench.matrix(shape.rows, shape.rank)
        let (beside, sum) = (try bench.room(shape.rows, shape.inputs), try bench.matrix(shape.rows, shape.inputs))
        for (dx, adds) in [(beside, false), (sum, true), (nil, false), (x, false)] as [(Matrix?, Bool)] {
            let adapter = LinearGradient.Adapter(
                lowRank: pair, projected: projected, dProjected: try bench.room(shape.rows, shape.rank),
                aGradient: try bench.matrix(shape.rank, shape.inputs),
                bGradient: try bench.matrix(shape.outputs, shape.rank), scale: 2)
            let gradients = [
                LinearGradient(dOutput: dOutputs[0], weight: weights[0], adapter: adapter),
                LinearGradient(dOutput: dOutputs[1], weight: weights[1], adapter: nil),
            ]
            bench.device.linearBackward(gradients, input: x, dx: dx, accumulate: adds)
            bench.note("linearBackward, adapter", adapter.aGradient, adapter.bGradient, adapter.dProjected)
        }
        bench.note("linearBackward, input", beside, sum, x)
    }
}
