public import ApusModel
internal import ApusTensor

/// Samples completions: each prompt is prefilled once, its completions are decoded together over its shared pages.
///
/// Not thread-safe; owned by the thread of the numeric core.
public final class GenerationEngine {
    /// Sequences that are decoded together.
    package static let laneLimit = 256
    /// Rows of a prefill pass; more prompts are prefilled in several.
    static let prefillRows = 2048
    /// Rows of logits held at once.
    static let logitRows = 32

    private let model: LanguageModel
    private let adapter: LoRAAdapter?
    private let pages: PageStore
    private let keepsRollouts: Bool
    private let laneLimit: Int
    private var workspace: Workspace?
    private var head: HeadRoom?
    /// A line for each lane, and one for each row of logits whose sequence has no lane yet.
    private var history: TokenHistory?
    /// What happened in the last generation.
    package private(set) var statistics = GenerationStatistics()

    /// Called with each token; returning false ends generation.
    public typealias TokenHandler = (GeneratedToken) -> Bool

    /// An engine on a model, with the adapter as it is at each call.
    ///
    /// - Parameter memory: what keys and values may take.
    public convenience init(model: LanguageModel, adapter: LoRAAdapter?, memory: MemoryBudget = MemoryBudget()) {
        self.init(
            model: model, adapter: adapter, pages: PageStore(model: model, contents: .keysAndValues, budget: memory))
    }

    /// An engine over pages that it may share with a training pass.
    ///
    /// - Parameters:
    ///   - keepsRollouts: whether the rows of finished completions stay for training, until the next call.
    ///   - laneLimit: sequences that are decoded together at most.
    package init(
        model: LanguageModel, adapter: LoRAAdapter?, pages: PageStore, keepsRollouts: Bool = false,
        laneLimit: Int = GenerationEngine.laneLimit
    ) {
        self.model = model
        self.adapter = adapter
        self.pages = pages
        self.keepsRollouts = keepsRollouts
        self.laneLimit = laneLimit
    }

    /// Completes prompts.
    ///
    /// The same requests, parameters and step give the same tokens, bit for bit, on any number of threads, in any company
    /// of other requests and with any budget of memory that holds the longest sequence.
    ///
    /// - Parameters:
    ///   - step: keys the random numbers; a training run passes its generation's ordinal.
    ///   - keepsEarlier: whether kept rollouts of the call before stay too, under the same weights.
    ///   - onToken: hears of every token as it is drawn.
    /// - Returns: completions, [request][completion]. Where `onToken` ended generation they hold what it heard.
    /// - Throws: `ModelError` for an empty or too long prompt or impossible parameters; `MemoryShortage` for a sequence that
    ///   the memory budget does not hold; `TensorError` for damaged logits.
    public func generate(
        _ requests: [GenerationRequest], sampling: SamplingParameters, step: Int = 0, keepsEarlier: Bool = false,
        onToken: TokenHandler? = nil
    ) throws -> [[Completion]] {
        for request in requests { try check(request, sampling) }
        if keepsRollouts {
            pages.startKeeping(
                adapter: adapter, temperature: Self.scoreTemperature(sampling), keepsEarlier: keepsEarlier)
        } else {
            pages.dropKept()
        }
        var scheduler = Scheduler(
            requests: requests, sampling: sampling, step: step, onToken: onToken,
            model: model, pages: pages, laneLimit: laneLimit)
        defer {
            scheduler.releaseAll()
            statistics = scheduler.statistics
        }
        try run(&scheduler)
        return scheduler.completions
    }

    /// Greedy tokens are scored at temperature 1.
    private static func scoreTemperature(_ sampling: SamplingParameters) -> Float {
        sampling.temperature > 0 ? sampling.temperature : 1
    }

    private func check(_ request: GenerationRequest, _ sampling: SamplingParameters) throws(ModelError) {
        let context = model.configuration.contextLength
        guard !request.prompt.isEmpty else { throw ModelError("prompt: wanted at least one token, found none") }
        guard request.prompt.count < context else {
            throw ModelError(
                "prompt: wanted fewer than the model's \(context) tokens, found \(request.prompt.count); shorten it")
        }
        if let token = request.prompt.first(where: { $0 < 0 || $0 >= model.configuration.vocabularySize }) {
            throw ModelError("token \(token): wanted one below \(model.configuration.vocabularySize)")
        }
        guard request.completions >= 1, sampling.maxNewTokens >= 1 else {
            throw ModelError("generation: wanted at least one completion of at least one token")
        }
        guard sampling.temperature >= 0, sampling.temperature.isFinite else {
            throw ModelError("temperature: wanted a number of at least 0, found \(sampling.temperature)")
        }
    }

    private func run(_ scheduler: inout Scheduler) throws {
        while true {
            try admit(&scheduler)
            guard !scheduler.isCancelled, !scheduler.running.isEmpty else { return }
            try scheduler.growTables()
            let running = scheduler.running
            let hidden = try forward(scheduler.decode())
            try draw(&scheduler, sequences: running, hidden: hidden, rows: Array(running.indices), hasLanes: true)
            scheduler.retire()
            scheduler.statistics.decodeSteps += 1
            scheduler.statistics.decodeRows += running.count
            scheduler.statistics.mostRunning = max(scheduler.statistics.mostRunning, running.count)
        }
    }

    /// Lets waiting sequences enter until lanes or pages are used up: prompts first, which gives first tokens.
    private func admit(_ scheduler: inout Scheduler) throws {
        var isDone = false
        while !isDone, !scheduler.isCancelled {
            let claimed = try scheduler.claimPrompts(rows: Self.prefillRows)
            if !claimed.isEmpty { try prefill(&scheduler, claimed) }
            guard !scheduler.isCancelled else { return }
            let entered = try scheduler.enter()
            if scheduler.sampling.repetitionPenalty != 1 {
                for index in entered.sequences {
                    try setHistory(scheduler, index, line: scheduler.sequences[index].lane)
                }
            }
            try refill(&scheduler, entered.resumed)
            isDone = claimed.isEmpty
        }
    }

    private func prefill(_ scheduler: inout Scheduler, _ claimed: [Int]) throws {
        let batch = scheduler.prefill(claimed)
        let hidden = try forward(batch)
        scheduler.statistics.prefillRows += batch.rows
        scheduler.keepPrompts(claimed)
        let draws = scheduler.firstDraws(claimed)
        try draw(&scheduler, sequences: draws.sequences, hidden: hidden, rows: draws.rows, hasLanes: false)
        scheduler.retireUnopened(draws.sequences)
    }

    /// Computes the rows of sequences that had to leave again.
    private func refill(_ scheduler: inout Scheduler, _ resumed: [Int]) throws {
        var rest = resumed[...]
        while !rest.isEmpty {
            var rows = 0
            let part = rest.prefix { index in
                defer { rows += scheduler.sequences[index].tokens.count }
                return rows == 0 || rows + scheduler.sequences[index].tokens.count <= Self.prefillRows
            }
            let batch = scheduler.refill(part)
            _ = try forward(batch)
            scheduler.statistics.prefillRows += batch.rows
            rest = rest.dropFirst(part.count)
        }
    }

    private func forward(_ batch: PackedBatch) throws -> Matrix {
        let transformer = Transformer(model: model, adapter: adapter)
        let (cache, inputs) = (try pages.cache(), pages.isKeeping ? try pages.inputs() : nil)
        return try transformer.forward(
            try transformer.prepare(batch, cache: cache, inputs: inputs), tokens: batch.tokens, cache: cache,
            workspace: try reserveWorkspace(rows: batch.rows), keep: inputs)
    }

    /// Draws the next token of each sequence from the hidden state in its row.
    ///
    /// - Parameter hasLanes: whether the sequences run, so that their tokens are in the history.
    private func draw(
        _ scheduler: inout Scheduler, sequences: [Int], hidden: Matrix, rows: [Int], hasLanes: Bool
    ) throws {
        let transformer = Transformer(model: model, adapter: adapter)
        let head = try reserveHead(transformer)
        let temperature = Self.scoreTemperature(scheduler.sampling)
        for first in stride(from: 0, to: sequences.count, by: Self.logitRows) {
            let part = first..<min(first + Self.logitRows, sequences.count)
            let room = head.rows(part.count)
            let indices = try model.backend.makeIndices(rows[part].map(Int32.init))
            model.backend.gather(hidden, indices, into: room.states)
            transformer.logits(in: room)
            let rules = try part.map { place in
                let index = sequences[place]
                var line: Int?
                if scheduler.sampling.repetitionPenalty != 1 {
                    line = hasLanes ? scheduler.sequences[index].lane : laneLimit + place - first
                    if let line, !hasLanes { try setHistory(scheduler, index, line: line) }
                }
                return scheduler.rule(index, line: line)
            }
            let drawn = try model.backend.sample(
                room.logits, rows: rules, history: history, scoreTemperature: temperature)
            for (index, token) in zip(part, drawn) { scheduler.append(token, to: sequences[index]) }
        }
    }

    /// Bytes of the hidden states and the logits that tokens are drawn from.
    static func logitBytes(_ configuration: ModelConfiguration) -> Int {
        MemoryLayout<Float>.stride * logitRows * (configuration.hiddenSize + configuration.vocabularySize)
    }

    /// Tells the device all tokens of a sequence.
    private func setHistory(_ scheduler: Scheduler, _ index: Int, line: Int) throws {
        let history =
            try history
            ?? model.backend.makeHistory(
                lines: laneLimit + Self.logitRows, vocabularySize: model.configuration.vocabularySize)
        self.history = history
        model.backend.setHistory(history, line: line, to: scheduler.history(index))
    }

    private func reserveHead(_ transformer: Transformer) throws -> HeadRoom {
        if let head { return head }
        let made = try transformer.makeHeadRoom(rows: Self.logitRows)
        head = made
        return made
    }

    private func reserveWorkspace(rows: Int) throws -> Workspace {
        if let workspace, workspace.capacity >= rows { return workspace }
        workspace = nil
        let made = try Workspace(
            model.configuration, rank: adapter?.targets.largestRank ?? 0, capacity: rows, training: false,
            on: model.backend)
        workspace = made
        return made
    }
}
