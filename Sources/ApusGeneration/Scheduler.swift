internal import ApusModel
internal import ApusTensor

/// Decides which completions are decoded together, and which pages they have.
///
/// Completions wait in the order of their requests. Between decode steps finished ones leave and waiting ones enter, as
/// lanes and pages allow. A prompt is prefilled once for all its completions, which draw their first tokens there and
/// then; its full pages are shared. Nothing here changes what is sampled: a token depends on its own sequence alone.
struct Scheduler {
    let sampling: SamplingParameters
    let requests: [GenerationRequest]
    let pages: PageStore
    let laneLimit: Int
    /// Completions that are decoded now, the one that entered last at the end.
    var running: [Int] = []
    /// Completions without pages, the next one at the end.
    var waiting: [Int] = []
    var sequences: [GenerationSequence] = []
    /// Each prompt's pages while completions of it wait; none before its prefill and when its pages were needed.
    var promptTables: [[Int32]]
    /// Each request's unfinished completions that wait.
    var waitingCounts: [Int]
    /// Page numbers of the running sequences, `tableLength` a lane.
    var tables: [Int32]
    let tableLength: Int
    var freeLanes: [Int]
    var statistics = GenerationStatistics()
    private(set) var isCancelled = false
    private let firstSequences: [Int]
    private let step: Int
    private let onToken: GenerationEngine.TokenHandler?
    private let endTokens: Set<Int32>
    private let stop: StopTexts?
    private let bannedBeforeMinimum: [Int32]
    private let random: Philox

    init(
        requests: [GenerationRequest], sampling: SamplingParameters, step: Int,
        onToken: GenerationEngine.TokenHandler?, model: LanguageModel, pages: PageStore, laneLimit: Int
    ) {
        self.requests = requests
        self.sampling = sampling
        self.step = step
        self.onToken = onToken
        self.pages = pages
        endTokens = model.endTokens
        stop = StopTexts(sampling.stop, tokenizer: model.tokenizer)
        bannedBeforeMinimum = Array(endTokens)
        random = Philox(seed: sampling.seed)
        var firstSequences = [0]
        var tableLength = 1
        for (index, request) in requests.enumerated() {
            let limit = min(sampling.maxNewTokens, model.configuration.contextLength - request.prompt.count)
            tableLength = max(tableLength, PageStore.pages(for: request.prompt.count + limit))
            for sample in 0..<request.completions {
                sequences.append(GenerationSequence(request: index, sample: sample, limit: limit))
            }
            firstSequences.append(sequences.count)
        }
        self.firstSequences = firstSequences
        self.tableLength = tableLength
        self.laneLimit = min(laneLimit, sequences.count)
        waiting = sequences.indices.reversed()
        waitingCounts = requests.map(\.completions)
        promptTables = requests.map { _ in [] }
        tables = [Int32](repeating: 0, count: self.laneLimit * tableLength)
        freeLanes = Array((0..<self.laneLimit).reversed())
    }

    // MARK: Passes

    /// The prompts of some requests as one batch.
    func prefill(_ claimed: [Int]) -> PackedBatch {
        var batch = PackedBatch()
        for request in claimed {
            let offset = batch.append(table: promptTables[request])
            batch.append(requests[request].prompt[...], firstPosition: 0, tableOffset: offset, parentFirstRow: nil)
        }
        return batch
    }

    /// The completions that draw their first token from these requests' prompts, each with the row that it draws from.
    func firstDraws(_ claimed: [Int]) -> (sequences: [Int], rows: [Int]) {
        var draws: (sequences: [Int], rows: [Int]) = ([], [])
        var row = -1
        for request in claimed {
            row += requests[request].prompt.count
            for index in sequences(of: request) where sequences[index].tokens.isEmpty {
                draws.sequences.append(index)
                draws.rows.append(row)
            }
        }
        return draws
    }

    /// All but the last token of some running sequences as one batch.
    func refill(_ resumed: ArraySlice<Int>) -> PackedBatch {
        var batch = PackedBatch()
        batch.visible.tables = tables
        for index in resumed {
            batch.append(
                sequences[index].tokens.dropLast(), firstPosition: promptCount(index),
                tableOffset: sequences[index].lane * tableLength, parentFirstRow: nil)
        }
        return batch
    }

    /// The last token of each running sequence as one batch.
    func decode() -> PackedBatch {
        var batch = PackedBatch()
        batch.visible.tables = tables
        for index in running {
            batch.append(
                sequences[index].tokens.suffix(1), firstPosition: nextPosition(index),
                tableOffset: sequences[index].lane * tableLength, parentFirstRow: nil)
        }
        return batch
    }

    /// The sequences of a request.
    func sequences(of request: Int) -> Range<Int> { firstSequences[request]..<firstSequences[request + 1] }

    func promptCount(_ index: Int) -> Int { requests[sequences[index].request].prompt.count }

    /// The position of a sequence's last token, whose row comes next.
    func nextPosition(_ index: Int) -> Int { promptCount(index) + sequences[index].tokens.count - 1 }

    // MARK: Tokens

    /// How a sequence's next token is drawn.
    ///
    /// - Parameter line: the line of the history that holds its tokens.
    func rule(_ index: Int, line: Int?) -> SamplingRow {
        let sequence = sequences[index]
        let request = requests[sequence.request]
        return SamplingRow(
            temperature: sampling.temperature, topK: sampling.topK, topP: sampling.topP, minP: sampling.minP,
            repetitionPenalty: sampling.repetitionPenalty, line: line,
            banned: sequence.tokens.count < sampling.minNewTokens ? bannedBeforeMinimum : [],
            uniform: random.uniform(
                step: step, sample: request.firstSample + sequence.sample, position: sequence.tokens.count))
    }

    /// All tokens of a sequence, the prompt's first.
    func history(_ index: Int) -> [Int32] { requests[sequences[index].request].prompt + sequences[index].tokens }

    /// Adds a token to a sequence and ends it where it must end. Once the handler has said stop, tokens that were drawn in
    /// the same pass are dropped.
    mutating func append(_ drawn: SampledToken, to index: Int) {
        guard !isCancelled else { return }
        sequences[index].tokens.append(drawn.token)
        sequences[index].scores.append(drawn.score)
        sequences[index].finishReason = finishReason(of: index, after: drawn.token)
        let sequence = sequences[index]
        let heard = GeneratedToken(
            request: sequence.request, sample: sequence.sample, token: drawn.token, finishReason: sequence.finishReason)
        if let onToken, !onToken(heard) { isCancelled = true }
    }

    /// Why a sequence ends with the token that it has got; nil where it goes on.
    private mutating func finishReason(of index: Int, after token: Int32) -> FinishReason? {
        let count = sequences[index].tokens.count
        let isComplete = stop?.isComplete(with: token, after: &sequences[index].tail) ?? false
        if endTokens.contains(token) || (isComplete && count >= sampling.minNewTokens) { return .stop }
        return count >= sequences[index].limit ? .length : nil
    }

    /// What has been generated, [request][completion].
    var completions: [[Completion]] {
        requests.indices.map { request in sequences(of: request).map { sequences[$0].completion } }
    }
}
