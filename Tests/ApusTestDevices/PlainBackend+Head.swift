public import ApusTensor

extension PlainBackend {
    /// See `Backend`.
    public func logits(
        _ hidden: Matrix, head: OutputHead, adapter: (lowRank: LowRank, projected: Matrix)?, into logits: Matrix
    ) {
        let product = LinearProduct(
            weight: head.weight, bias: nil, lowRank: adapter?.lowRank, projected: adapter?.projected, output: logits)
        linear(hidden, [product])
        let (logits, head) = (own(logits), own(head))
        enqueue { head.turnIntoLogits(logits.base, logits.count) }
    }

    /// See `Backend`.
    public func likeliest(_ logits: Matrix) -> [Int32] {
        let logits = own(logits)
        finish()
        return (0..<logits.rows).map { row in
            let values = logits.row(row)
            var best = 0
            for index in 0..<logits.columns where values[index] > values[best] { best = index }
            return Int32(best)
        }
    }

    /// See `Backend`.
    public func score(_ logits: Matrix, tokens: Indices, temperature: Float, into scores: Matrix) {
        let (logits, scores) = (own(logits), own(scores))
        let tokens = own(tokens, below: logits.columns)
        logits.requireShape(tokens.count, logits.columns)
        scores.requireShape(tokens.count, HeadScore.width)
        scores.requireApart(logits)
        enqueue {
            for (row, token) in tokens.enumerated() {
                HeadScore(logits.row(row), logits.columns, token, temperature).write(to: scores.row(row))
            }
        }
    }

    /// See `Backend`.
    public func score(
        _ hidden: Matrix, _ targets: HeadTargets, head: OutputHead, temperature: Float, into scores: Matrix
    ) {
        let (rows, scores) = (targetRows(hidden, targets, head), own(scores))
        scores.requireShape(targets.count, HeadScore.width)
        scores.requireApart(rows.hidden)
        enqueue {
            rows.forEachLogits { index, token, logits in
                HeadScore(logits, rows.head.vocabulary, token, temperature).write(to: scores.row(index))
            }
        }
    }

    /// See `Backend`.
    public func scoreBackward(
        _ hidden: Matrix, _ targets: HeadTargets, scores: Matrix, gradients: Matrix, head: OutputHead,
        temperature: Float, into dHidden: Matrix
    ) {
        let (rows, scores, gradients, dHidden) = (
            targetRows(hidden, targets, head), own(scores), own(gradients), own(dHidden)
        )
        scores.requireShape(targets.count, HeadScore.width)
        gradients.requireShape(targets.count, HeadScore.gradientWidth)
        dHidden.requireShape(targets.count, rows.hidden.columns)
        dHidden.requireApart(rows.hidden, scores, gradients)
        enqueue {
            rows.forEachLogits { index, token, logits in
                rows.head.turnIntoGradient(
                    logits, token, HeadScore(scores.row(index)), gradients.row(index), temperature)
                dHidden.row(index).update(repeating: 0, count: dHidden.columns)
                for output in 0..<rows.head.vocabulary {
                    addScaled(dHidden.row(index), logits[output], rows.head.weight.row(output), dHidden.columns)
                }
            }
        }
    }

    /// See `Backend`.
    public func logitsBackward(
        _ logits: Matrix, tokens: Indices, scores: Matrix, gradients: Matrix, head: OutputHead, temperature: Float
    ) {
        let (logits, scores, gradients, head) = (own(logits), own(scores), own(gradients), own(head))
        let tokens = own(tokens, below: head.vocabulary)
        logits.requireShape(tokens.count, head.vocabulary)
        scores.requireShape(tokens.count, HeadScore.width)
        gradients.requireShape(tokens.count, HeadScore.gradientWidth)
        logits.requireApart(scores, gradients)
        enqueue {
            for (row, token) in tokens.enumerated() {
                head.turnIntoGradient(
                    logits.row(row), token, HeadScore(scores.row(row)), gradients.row(row), temperature)
            }
        }
    }

    private func own(_ head: OutputHead) -> PlainHead {
        precondition(head.softCap.map { $0 > 0 } ?? true, "a cap of nothing")
        return PlainHead(weight: own(head.weight), scale: head.scale, softCap: head.softCap)
    }

    private func targetRows(_ hidden: Matrix, _ targets: HeadTargets, _ head: OutputHead) -> TargetRows {
        let (hidden, head) = (own(hidden), own(head))
        hidden.requireShape(hidden.rows, head.weight.inputs)
        precondition(
            preparedHead.map { $0 == (head.weight.inputs, head.vocabulary) } ?? false,
            "no pass was prepared for scores of such a head")
        return TargetRows(
            hidden: hidden, rows: own(targets.rows, below: hidden.rows),
            tokens: own(targets.tokens, below: head.vocabulary), head: head)
    }
}

/// Hidden states that predict tokens.
private struct TargetRows {
    let hidden: PlainMatrix
    let rows: [Int]
    let tokens: [Int]
    let head: PlainHead

    /// Lends each target's logits, by the same products as `linear`'s.
    func forEachLogits(_ body: (_ index: Int, _ token: Int, _ logits: UnsafeMutablePointer<Float>) -> Void) {
        let logits = UnsafeMutablePointer<Float>.allocate(capacity: head.vocabulary)
        defer { logits.deallocate() }
        for (index, (row, token)) in zip(rows, tokens).enumerated() {
            for output in 0..<head.vocabulary {
                logits[output] = dot(hidden.row(row), head.weight.row(output), hidden.columns)
            }
            head.turnIntoLogits(logits, head.vocabulary)
            body(index, token, logits)
        }
    }
}
