internal import ApusModel
internal import ApusTensor

/// Requests that are decoded together: which pages they have, and what each of their completions holds so far.
struct Wave {
    /// One completion in the making.
    private struct Lane {
        let request: Int
        let sample: Int
        /// Start of its page numbers.
        let tableOffset: Int
        let limit: Int
        var tokens: [Int32] = []
        var logProbs: [Float] = []
        var finishReason: FinishReason?
    }

    let sampling: SamplingParameters
    /// Pages that the wave may touch; memory is taken only when a page is written.
    private(set) var pages = 0
    private(set) var isCancelled = false
    private let requests: [GenerationRequest]
    private let range: Range<Int>
    private let step: Int
    private let onToken: GenerationEngine.TokenHandler?
    private let endTokens: Set<Int32>
    private let random: Philox
    private var tables: [Int32] = []
    private var promptTables: [Int] = []
    private var lanes: [Lane] = []
    private var firstLanes: [Int] = []

    init(
        requests: [GenerationRequest], range: Range<Int>, sampling: SamplingParameters, step: Int,
        onToken: GenerationEngine.TokenHandler?, contextLength: Int, endTokens: Set<Int32>
    ) {
        self.requests = requests
        self.range = range
        self.sampling = sampling
        self.step = step
        self.onToken = onToken
        self.endTokens = endTokens
        random = Philox(seed: sampling.seed)
        for index in range { plan(index, contextLength: contextLength) }
        firstLanes.append(lanes.count)
    }

    /// Gives a request its pages: whole pages of the prompt are shared, the rest is each completion's own.
    private mutating func plan(_ index: Int, contextLength: Int) {
        let request = requests[index]
        let size = KeyValueCache.pageTokens
        let promptPages = take((request.prompt.count + size - 1) / size)
        promptTables.append(tables.count)
        tables += promptPages
        firstLanes.append(lanes.count)
        let limit = min(sampling.maxNewTokens, contextLength - request.prompt.count)
        let shared = request.prompt.count / size
        for sample in 0..<request.completions {
            let offset = tables.count
            tables += promptPages[..<shared] + take((request.prompt.count + limit + size - 1) / size - shared)
            lanes.append(Lane(request: index, sample: sample, tableOffset: offset, limit: limit))
        }
    }

    private mutating func take(_ count: Int) -> [Int32] {
        defer { pages += count }
        return (pages..<pages + count).map(Int32.init)
    }

    // MARK: Passes

    /// Consecutive requests whose prompts together stay within `rows` rows, where one alone does.
    func prefillParts(rows: Int) -> [Range<Int>] {
        var parts: [Range<Int>] = []
        var begin = range.lowerBound
        var total = 0
        for index in range {
            let count = requests[index].prompt.count
            if index > begin, total + count > rows {
                parts.append(begin..<index)
                begin = index
                total = 0
            }
            total += count
        }
        parts.append(begin..<range.upperBound)
        return parts
    }

    /// The prompts of some requests as one batch.
    func prefill(_ part: Range<Int>) -> PackedBatch {
        var batch = PackedBatch()
        batch.visible.tables = tables
        for index in part {
            let local = index - range.lowerBound
            let row = batch.rows
            let prompt = requests[index].prompt
            batch.append(prompt[...], firstPosition: 0, tableOffset: promptTables[local], parentFirstRow: nil)
            for lane in firstLanes[local]..<firstLanes[local + 1] {
                batch.copyTail(
                    promptFirstRow: row, promptCount: prompt.count, tableOffset: lanes[lane].tableOffset)
            }
        }
        return batch
    }

    /// The lanes of some requests.
    func lanes(of part: Range<Int>) -> [Int] {
        Array(firstLanes[part.lowerBound - range.lowerBound]..<firstLanes[part.upperBound - range.lowerBound])
    }

    /// For each of these lanes, the row of its prompt's last token.
    func lastRows(_ part: Range<Int>, in batch: PackedBatch) -> [Int] {
        zip(part, batch.segments).flatMap { index, segment in
            [Int](repeating: segment.firstRow + segment.rows - 1, count: requests[index].completions)
        }
    }

    /// Lanes that have not ended.
    var activeLanes: [Int] { lanes.indices.filter { lanes[$0].finishReason == nil } }

    /// The last token of each lane as one batch.
    func decode(_ active: [Int]) -> PackedBatch {
        var batch = PackedBatch()
        batch.visible.tables = tables
        for index in active {
            let lane = lanes[index]
            let position = requests[lane.request].prompt.count + lane.tokens.count - 1
            batch.append(
                lane.tokens.suffix(1), firstPosition: position, tableOffset: lane.tableOffset, parentFirstRow: nil)
        }
        return batch
    }

    // MARK: Tokens

    /// How a lane's next token is drawn.
    func rule(_ index: Int) -> SamplingRow {
        let lane = lanes[index]
        let request = requests[lane.request]
        return SamplingRow(
            temperature: sampling.temperature, topK: sampling.topK, topP: sampling.topP, minP: sampling.minP,
            repetitionPenalty: sampling.repetitionPenalty,
            seen: sampling.repetitionPenalty == 1 ? [] : request.prompt + lane.tokens,
            banned: lane.tokens.count < sampling.minNewTokens ? Array(endTokens) : [],
            uniform: random.uniform(
                step: step, sample: request.firstSample + lane.sample, position: lane.tokens.count))
    }

    /// Adds a token to a lane and ends it where it must end. Once the handler has said stop, tokens that were drawn in
    /// the same pass are dropped.
    mutating func append(_ drawn: SampledToken, to index: Int) {
        guard !isCancelled else { return }
        lanes[index].tokens.append(drawn.token)
        lanes[index].logProbs.append(drawn.logProb)
        if endTokens.contains(drawn.token) {
            lanes[index].finishReason = .stop
        } else if lanes[index].tokens.count >= lanes[index].limit {
            lanes[index].finishReason = .length
        }
        if let onToken, !onToken(lanes[index].request, lanes[index].sample, drawn.token) { isCancelled = true }
    }

    /// What has been generated, [request][completion].
    var completions: [[Completion]] {
        (0..<range.count).map { local in
            lanes[firstLanes[local]..<firstLanes[local + 1]].map {
                Completion(tokens: $0.tokens, logProbs: $0.logProbs, finishReason: $0.finishReason ?? .length)
            }
        }
    }
}
