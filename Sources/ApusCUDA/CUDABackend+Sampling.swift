public import ApusTensor
internal import CCUDA

extension KernelName {
    static let sample = KernelName("apus_sample")
    static let addHistory = KernelName("apus_add_history")
}

extension CUDABackend {
    private static let samplingThreads = 256

    /// See `Backend`.
    public func makeHistory(lines: Int, vocabularySize: Int) throws -> TokenHistory {
        try CUDATokenHistory(lines: lines, vocabularySize: vocabularySize, in: memory)
    }

    /// See `Backend`.
    public func setHistory(_ history: TokenHistory, line: Int, to tokens: [Int32]) {
        let own = history.cuda
        precondition(0..<own.lines ~= line, "no such line")
        attempt { () throws(TensorError) in
            let start = own.base + CUdeviceptr(4 * line * own.words)
            try driver.check(
                driver.functions.cuMemsetD32Async(start, 0, own.words, stream), "clearing a line of tokens")
            let numbers = try CUDAStorage(count: tokens.count, in: memory)
            tokens.withUnsafeBytes { copy($0, to: numbers.address) }
            launch(
                .addHistory, blocks: 1, threads: 32, .pointer(own.base), .integer(own.words), .pointer(nil),
                .integer(0),
                .integer(line), .pointer(numbers.address), .integer(tokens.count))
        }
    }

    /// See `Backend`.
    public func sample(
        _ logits: Matrix, rows: [SamplingRow], history: TokenHistory?, scoreTemperature: Float
    ) throws -> [SampledToken] {
        precondition(rows.count == logits.rows, "one rule a row")
        let rules = try SamplingRules(rows, on: self)
        let tokens = try CUDAStorage(count: rows.count, in: memory)
        launch(
            .sample, blocks: rows.count, threads: Self.samplingThreads, logits.argument,
            .pointer(scratch(8 * logits.count)), .pointer(rules.numbers.address), rules.places.argument,
            rules.banned.argument, .pointer(rules.uniforms.address), .pointer(history?.cuda.base),
            .integer(history?.cuda.words ?? 0), .pointer(tokens.address), .integer(logits.columns))
        let scores = try makeMatrix(rows: rows.count, columns: HeadScore.width)
        // A token that could not be drawn stands for the first one here, and is refused below.
        let drawn = try downloaded(tokens.address, rows.count, of: Int32(0))
        if let row = drawn.firstIndex(where: { $0 < 0 }) {
            throw TensorError(
                "sampling: row \(row) of the logits holds NaN or infinity; the weights or the adapter are damaged, "
                    + "or the learning rate is too high")
        }
        let drawnTokens = Indices(storage: tokens)
        score(logits, tokens: drawnTokens, temperature: scoreTemperature, into: scores)
        if let history {
            // The lines stand in the second of four places a row.
            launch(
                .addHistory, blocks: 1, threads: 32, .pointer(history.cuda.base), .integer(history.cuda.words),
                .pointer(rules.places.address + 4), .integer(4), .integer(-1), .pointer(tokens.address),
                .integer(rows.count))
        }
        return zip(drawn, try self.scores(in: scores)).map { SampledToken(token: $0, score: $1) }
    }
}

/// The rules of some rows as the kernel reads them.
private struct SamplingRules {
    /// [rows][4]: temperature, top-p, min-p, repetition penalty.
    let numbers: Matrix
    /// [rows][4]: top-k, line or -1, first banned token, their number.
    let places: Indices
    let banned: Indices
    let uniforms: CUDAStorage

    init(_ rows: [SamplingRow], on backend: CUDABackend) throws {
        var places: [Int32] = []
        var banned: [Int32] = []
        for row in rows {
            places += [
                Int32(clamping: row.topK), Int32(row.line ?? -1), Int32(banned.count), Int32(row.banned.count),
            ]
            banned += row.banned
        }
        numbers = try backend.makeMatrix(
            rows.flatMap { [$0.temperature, $0.topP, $0.minP, $0.repetitionPenalty] }, rows: rows.count, columns: 4)
        self.places = try backend.makeIndices(places)
        self.banned = try backend.makeIndices(banned)
        uniforms = try CUDAStorage(count: 2 * rows.count, in: backend.memory)
        rows.map(\.uniform).withUnsafeBytes { backend.copy($0, to: uniforms.address) }
    }
}
