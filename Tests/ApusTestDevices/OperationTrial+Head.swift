internal import ApusTensor

/// Logits, scores and their gradients.
extension OperationTrial {
    private static let vocabulary = 1700
    private static let hidden = 48
    /// Rows of hidden states, and tokens that they are asked for.
    private static let sizes = [(1, 1), (7, 20), (40, 101)]
    private static let rules: [(scale: Float, softCap: Float?)] = [(1, nil), (0.25, nil), (1, 3), (2, 5)]

    static var head: [OperationTrial] {
        WeightFormat.allCases.flatMap { format in
            rules.flatMap { rule in
                sizes.flatMap { rows, targets in
                    [scores, wholeRows].map { run in
                        OperationTrial(
                            shape: "\(rows) rows, \(targets) targets, scale \(rule.scale), cap \(rule.softCap ?? 0)",
                            rounding: format == .f32 ? .exact : .weight(format)
                        ) { bench in
                            let weight = try bench.weight(format, outputs: vocabulary, inputs: hidden)
                            let head = OutputHead(weight, scale: rule.scale, softCap: rule.softCap)
                            try bench.prepare(rows: rows, width: hidden, head: head, isTraining: true)
                            try run(bench, head, rows, targets)
                        }
                    }
                }
            }
        }
    }

    /// Without whole rows of logits. The scores that gradients are taken at are the device's own.
    private static func scores(_ bench: TrialBench, _ head: OutputHead, _ rows: Int, _ count: Int) throws {
        let states = try bench.matrix(rows, hidden)
        let targets = HeadTargets(
            rows: try bench.indices(count, below: rows), tokens: try bench.indices(count, below: vocabulary))
        let scores = try bench.room(count, HeadScore.width)
        bench.device.score(states, targets, head: head, temperature: 0.8, into: scores)
        let (gradients, dStates) = (try bench.matrix(count, HeadScore.gradientWidth), try bench.room(count, hidden))
        bench.device.scoreBackward(
            states, targets, scores: scores, gradients: gradients, head: head, temperature: 0.8, into: dStates)
        bench.note("score", scores)
        bench.note("scoreBackward", dStates)
        let (half, some) = ((count + 1) / 2, try bench.room((count + 1) / 2, HeadScore.width))
        bench.device.score(states, targets[count - half..<count], head: head, temperature: 1, into: some)
        bench.note("score of some targets", some)
    }

    private static func wholeRows(_ bench: TrialBench, _ head: OutputHead, _ rows: Int, _ count: Int) throws {
        let (states, tokens) = (try bench.matrix(rows, hidden), try bench.indices(rows, below: vocabulary))
        let (logits, beside) = (try bench.room(rows, vocabulary), try bench.room(rows, vocabulary))
        let pair = try bench.adapter(beside: head.weight, rank: 4, scale: 2)
        let projected = try bench.room(rows, 4)
        bench.device.logits(states, head: head, adapter: nil, into: logits)
        bench.device.logits(states, head: head, adapter: (pair, projected), into: beside)
        bench.note("logits", logits)
        bench.note("logits, with an adapter", projected)
        let (scores, dLogits) = (try bench.room(rows, HeadScore.width), try bench.room(rows, vocabulary))
        bench.device.copy(beside, into: dLogits)
        bench.device.score(beside, tokens: tokens, temperature: 0.8, into: scores)
        bench.device.logitsBackward(
            dLogits, tokens: tokens, scores: scores, gradients: try bench.matrix(rows, HeadScore.gradientWidth),
            head: head, temperature: 0.8)
        bench.note("logits, with an adapter", beside)
        bench.note("score of logits", scores)
        bench.note("logitsBackward", dLogits)
    }
}

/// Tokens from logits.
extension OperationTrial {
    /// Every filter alone, and all of them.
    private static let filters: [(name: String, row: SamplingRow)] = [
        ("nothing", rule()), ("temperature", rule(temperature: 0.6)), ("likeliest", rule(temperature: 0)),
        ("top k", rule(topK: 7)), ("top p", rule(topP: 0.7)), ("min p", rule(minP: 0.2)),
        ("penalty", rule(temperature: 0, penalty: 3)),
        ("all", rule(temperature: 0.7, topK: 50, topP: 0.9, minP: 0.05, penalty: 1.3)),
    ]

    private static func rule(
        temperature: Float = 1, topK: Int = 0, topP: Float = 1, minP: Float = 0, penalty: Float = 1
    ) -> SamplingRow {
        SamplingRow(
            temperature: temperature, topK: topK, topP: topP, minP: minP, repetitionPenalty: penalty, line: nil,
            banned: [], uniform: 0)
    }

    static var sampling: [OperationTrial] {
        [(1, 5), (6, 257), (40, vocabulary)].flatMap { rows, width in
            filters.map { name, row in
                OperationTrial(shape: "\(rows) x \(width), \(name)") { try draw($0, row, rows, width) }
            }
        }
    }

    /// Twice from the same logits, so that the tokens of the first time count. Every second row has a line of the history.
    private static func draw(_ bench: TrialBench, _ rule: SamplingRow, _ rows: Int, _ width: Int) throws {
        let history = try bench.device.makeHistory(lines: rows, vocabularySize: width)
        for line in 0..<rows { bench.device.setHistory(history, line: line, to: bench.numbers(9, below: width)) }
        // Steps of a quarter, so that some are equal.
        let values = bench.values(rows * width, size: 4).map { ($0 * 4).rounded() / 4 }
        let untouched = try bench.device.makeMatrix(values, rows: rows, columns: width)
        bench.note("likeliest", .numbers(try bench.device.likeliest(untouched)))
        for _ in 0..<2 {
            let logits = try bench.device.makeMatrix(values, rows: rows, columns: width)
            let uniforms = bench.values(rows).map { abs(Double($0)) }
            let rules = (0..<rows).map { row in
                var rule = rule
                rule.line = row % 2 == 0 ? rows - 1 - row : nil
                rule.banned = row % 3 == 0 ? bench.numbers(2, below: width) : []
                rule.uniform = min(uniforms[row], 0.999)
                return rule
            }
            let drawn = try bench.device.sample(logits, rows: rules, history: history, scoreTemperature: 0.8)
            bench.note("sample", .numbers(drawn.map(\.token)))
            bench.note(
                "sample, score",
                .values(drawn.flatMap { [$0.score.logProb, $0.score.entropy, $0.score.logSumExp].map(Double.init) }))
        }
    }
}
