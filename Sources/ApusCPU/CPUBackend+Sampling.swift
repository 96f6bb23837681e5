public import ApusTensor
internal import CKernels

extension CPUBackend {
    /// See `Backend`.
    public func makeHistory(lines: Int, vocabularySize: Int) throws -> TokenHistory { CPUTokenHistory(lines: lines) }

    /// See `Backend`.
    public func setHistory(_ history: TokenHistory, line: Int, to tokens: [Int32]) {
        history.cpu.tokens[line] = tokens
    }

    /// See `Backend`.
    public func sample(
        _ logits: Matrix, rows: [SamplingRow], history: TokenHistory?, scoreTemperature: Float
    ) throws -> [SampledToken] {
        precondition(rows.count == logits.rows, "one rule a row")
        let (values, width, history) = (logits.pointer, logits.columns, history?.cpu)
        // Two rows: the logits that the filters change, and their own scratch.
        try reserveScratch(Self.samplingScratch(logits.columns))
        let nothing = SampledToken(token: -1, score: HeadScore(logProb: .nan, entropy: .nan, logSumExp: .nan))
        var drawn = [SampledToken](repeating: nothing, count: rows.count)
        drawn.withUnsafeMutableBufferPointer { drawn in
            let drawn = UncheckedBuffer(drawn)
            deal(rows.count) { thread, row in
                let token = self.draw(
                    values + row * width, width, rows[row], seen: rows[row].line.flatMap { history?.tokens[$0] },
                    scoreTemperature, scratch: self.scratch(thread))
                if let token { drawn.buffer[row] = token }
            }
        }
        if let row = drawn.firstIndex(where: { $0.token < 0 }) {
            throw TensorError(
                "sampling: row \(row) of the logits holds NaN or infinity; the weights or the adapter are damaged, "
                    + "or the learning rate is too high")
        }
        for (rule, token) in zip(rows, drawn) {
            if let line = rule.line { history?.tokens[line].append(token.token) }
        }
        return drawn
    }

    /// Draws one token, then scores it on the untouched logits exactly as `score` does; nil where they are not finite.
    private func draw(
        _ logits: UnsafeMutablePointer<Float>, _ count: Int, _ rule: SamplingRow, seen: [Int32]?,
        _ scoreTemperature: Float, scratch: UnsafeMutablePointer<Float>
    ) -> SampledToken? {
        var parameters = apus_sampling_parameters(
            temperature: rule.temperature, top_k: Int32(rule.topK), top_p: rule.topP, min_p: rule.minP,
            repetition_penalty: rule.repetitionPenalty)
        scratch.update(from: logits, count: count)
        let token = (seen ?? []).withUnsafeBufferPointer { seen in
            rule.banned.withUnsafeBufferPointer { banned in
                var history = apus_sampling_history(
                    seen: seen.baseAddress, seen_count: Int32(seen.count), banned: banned.baseAddress,
                    banned_count: Int32(banned.count))
                return apus_sample_row(scratch, Int32(count), &parameters, &history, rule.uniform, scratch + count)
            }
        }
        guard token >= 0 else { return nil }
        return SampledToken(token: token, score: score(logits, count, token, scoreTemperature))
    }

    /// What each thread works in when it draws a token, in fp32 values.
    static func samplingScratch(_ vocabularySize: Int) -> Int { 2 * vocabularySize }
}
