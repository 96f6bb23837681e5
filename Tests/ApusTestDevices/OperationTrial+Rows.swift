internal import ApusTensor

/// Operations on rows, without weights.
extension OperationTrial {
    private static let shapes = [(1, 8), (3, 33), (50, 96), (131, 20)]
    private static let epsilon: Float = 1e-5

    static var rows: [OperationTrial] {
        shapes.flatMap { rows, width in
            [memory, norms, normGradients, sums, lookUps, columnLookUps, stretches, gates, optimizer].map { run in
                OperationTrial(shape: "\(rows) x \(width)") { try run($0, rows, width) }
            }
        } + [
            // As many tiles as have a kernel of their own, and two blocks of rows.
            OperationTrial(shape: "70 x 2048") { try outerProduct($0, 70, 2048, 1024) }
        ]
    }

    private static func memory(_ bench: TrialBench, _ rows: Int, _ width: Int) throws {
        let (x, copy) = (try bench.matrix(rows, width), try bench.room(rows, width))
        let filled = try bench.matrix(rows, width)
        bench.device.copy(x, into: copy)
        bench.device.fill(filled.rows(0..<(rows + 1) / 2), with: 2.5)
        bench.note("upload", x)
        bench.note("copy", copy)
        bench.note("fill", filled)
        bench.note("sumOfSquares", .values([try bench.device.sumOfSquares(x)]))
    }

    private static func norms(_ bench: TrialBench, _ rows: Int, _ width: Int) throws {
        let (x, inPlace, y) = (
            try bench.matrix(rows, width), try bench.matrix(rows, width), try bench.room(rows, width)
        )
        let gain = try bench.matrix(1, width)
        bench.device.rmsNorm(x, gain: gain, epsilon: epsilon, into: y)
        bench.device.rmsNorm(inPlace, gain: gain, epsilon: epsilon, into: inPlace)
        bench.note("rmsNorm", y, inPlace)
        let (d, sum) = (try bench.matrix(rows, width), try bench.room(rows, width))
        bench.device.addRMSNorm(x, adding: d, gain: gain, epsilon: epsilon, into: sum)
        bench.note("addRMSNorm", x, sum)
    }

    private static func normGradients(_ bench: TrialBench, _ rows: Int, _ width: Int) throws {
        let (x, dy, dx) = (try bench.matrix(rows, width), try bench.matrix(rows, width), try bench.matrix(rows, width))
        let (gain, dGain, sums) = (try bench.matrix(1, width), try bench.matrix(1, width), try bench.matrix(1, width))
        bench.device.rmsNormBackward(x, gain: gain, epsilon: epsilon, dy: dy, addingTo: dx)
        bench.device.rmsNormGainBackward(x, epsilon: epsilon, dy: dy, addingTo: dGain)
        bench.device.addColumnSums(x, to: sums)
        bench.note("rmsNormBackward", dx)
        bench.note("rmsNormGainBackward", dGain)
        bench.note("addColumnSums", sums)
    }

    private static func sums(_ bench: TrialBench, _ rows: Int, _ width: Int) throws {
        let (x, d, scaled) = (
            try bench.matrix(rows, width), try bench.matrix(rows, width), try bench.matrix(rows, width)
        )
        bench.device.add(x, d)
        bench.device.scale(scaled, by: -0.7)
        bench.note("add", x)
        bench.note("scale", scaled)
        try outerProduct(bench, rows, width, 37)
    }

    private static func outerProduct(_ bench: TrialBench, _ rows: Int, _ width: Int, _ otherWidth: Int) throws {
        let (a, b) = (try bench.matrix(rows, width), try bench.matrix(rows, otherWidth))
        let c = try bench.matrix(width, otherWidth)
        bench.device.addOuterProduct(a, b, to: c)
        bench.note("addOuterProduct", c)
    }

    /// Some rows are taken twice, in any order.
    private static func lookUps(_ bench: TrialBench, _ rows: Int, _ width: Int) throws {
        let (source, indices) = (try bench.matrix(rows, width), try bench.indices(2 * rows, below: rows))
        let (taken, sums) = (try bench.room(2 * rows, width), try bench.matrix(rows, width))
        bench.device.gather(source, indices, into: taken)
        bench.device.scatterAdd(taken, indices, into: sums)
        bench.note("gather", taken)
        bench.note("scatterAdd", sums)
        let part = try bench.room(rows, width)
        bench.device.gather(source, indices[rows..<2 * rows], into: part)
        bench.note("gather by some of the indices", part)
    }

    private static func columnLookUps(_ bench: TrialBench, _ rows: Int, _ width: Int) throws {
        let (source, indices) = (try bench.matrix(width, 9), try bench.indices(rows, below: 9))
        let (taken, sums) = (try bench.room(rows, width), try bench.matrix(width, 9))
        bench.device.gatherColumns(source, indices, into: taken)
        bench.device.scatterAddColumns(taken, indices, into: sums)
        bench.note("gatherColumns", taken)
        bench.note("scatterAddColumns", sums)
    }

    private static func stretches(_ bench: TrialBench, _ rows: Int, _ width: Int) throws {
        let widths = [width, 1, 2 * width]
        let whole = try bench.matrix(rows, widths.reduce(0, +))
        let (parts, again) = (try widths.map { try bench.room(rows, $0) }, try bench.room(rows, whole.columns))
        bench.device.split(whole, into: parts)
        bench.device.join(parts.reversed(), into: again)
        for part in parts { bench.note("split", part) }
        bench.note("join", again)
    }

    private static func gates(_ bench: TrialBench, _ rows: Int, _ width: Int) throws {
        for activation in GateActivation.allCases {
            let (gate, up) = (try bench.matrix(rows, width, size: 6), try bench.matrix(rows, width))
            let (dh, h) = (try bench.matrix(rows, width), try bench.room(rows, width))
            bench.device.gate(activation, gate, up, into: h)
            bench.device.gateBackward(activation, gate: gate, up: up, dh: dh)
            bench.note("gate by \(activation)", h)
            bench.note("gateBackward by \(activation)", gate, up)
        }
    }

    private static func optimizer(_ bench: TrialBench, _ rows: Int, _ width: Int) throws {
        let (p, m, v) = (try bench.matrix(rows, width), try bench.room(rows, width), try bench.room(rows, width))
        for moment in [m, v] { bench.device.fill(moment, with: 0) }
        for step in 1...3 {
            let rule = AdamWStep(
                step: step, learningRate: 0.01, beta1: step == 3 ? 0 : 0.9, beta2: 0.99, epsilon: 1e-8,
                weightDecay: 0.1)
            bench.device.adamW(
                rule, parameters: p, firstMoment: m, secondMoment: v, gradients: try bench.matrix(rows, width))
        }
        bench.note("adamW", p, m, v)
    }
}

/// Rows that are kept in pages.
extension OperationTrial {
    static var kept: [OperationTrial] {
        [true, false].flatMap { isExact in
            [(1, 8, false), (40, 96, true), (70, 33, false), (70, 33, true)].map { rows, width, isOffloaded in
                OperationTrial(shape: "\(rows) x \(width)", rounding: isExact ? .exact : .pages) { bench in
                    let shape = KeptRows.Shape(
                        streams: 3, columns: width, isExact: isExact, isOffloaded: isOffloaded)
                    try keep(bench, rows, shape)
                }
            }
        }
    }

    /// Two streams, the second in parts that come in any order; then some rows of each.
    private static func keep(_ bench: TrialBench, _ rows: Int, _ shape: KeptRows.Shape) throws {
        let kept = try bench.device.makeKeptRows(shape, pages: TokenTrees.pages)
        let pass = try bench.prepare(rows: rows, width: shape.columns, pages: [kept])
        let x = try (0..<2).map { _ in try bench.matrix(rows, shape.columns) }
        let cut = rows / 3
        bench.device.keep(x[0], pass, firstRow: 0, in: kept, stream: 2)
        bench.device.keep(x[1].rows(cut..<rows), pass, firstRow: cut, in: kept, stream: 0)
        if cut > 0 { bench.device.keep(x[1].rows(0..<cut), pass, firstRow: 0, in: kept, stream: 0) }
        let (whole, part) = (try bench.room(rows, shape.columns), try bench.room(rows - cut, shape.columns))
        bench.device.recall(kept, stream: 0, pass, firstRow: 0, into: whole)
        bench.device.recall(kept, stream: 2, pass, firstRow: cut, into: part)
        bench.note("keep and recall", whole, part)
    }
}
