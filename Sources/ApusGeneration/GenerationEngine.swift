public import ApusModel
internal import ApusTensor

/// Samples completions: each prompt is prefilled once, its completions are decoded as a batch over its shared pages.
///
/// Not thread-safe; owned by the thread of the numeric core.
public final class GenerationEngine {
    /// Sequences that are decoded together; more requests run in waves.
    private static let waveLanes = 256
    /// Rows of a prefill pass; longer waves of prompts are prefilled in parts.
    private static let prefillRows = 2048
    /// Rows of logits held at once.
    private static let logitRows = 32

    private let model: LanguageModel
    private let adapter: LoRAAdapter?
    private var workspace: Workspace?
    private var cache: KeyValueCache?
    private var logits: Matrix?

    /// Called with request, sample within the request, and token; returning false ends generation.
    public typealias TokenHandler = (_ request: Int, _ sample: Int, _ token: Int32) -> Bool

    /// An engine on a model, with the adapter as it is at each call.
    public init(model: LanguageModel, adapter: LoRAAdapter?) {
        self.model = model
        self.adapter = adapter
    }

    /// Completes prompts.
    ///
    /// The same requests, parameters and step give the same tokens, bit for bit, on any number of threads and in any
    /// company of other requests.
    ///
    /// - Parameters:
    ///   - step: keys the random numbers; a training run passes its generation's ordinal.
    ///   - onToken: hears of every token as it is drawn.
    /// - Returns: completions, [request][completion]. Where `onToken` ended generation they hold what it heard, and
    ///   requests of later waves have none.
    /// - Throws: `ModelError` for an empty or too long prompt or impossible parameters; `TensorError` for damaged logits.
    public func generate(
        _ requests: [GenerationRequest], sampling: SamplingParameters, step: Int = 0, onToken: TokenHandler? = nil
    ) throws -> [[Completion]] {
        for request in requests { try check(request, sampling) }
        var results: [[Completion]] = []
        var begin = 0
        while begin < requests.count {
            var end = begin + 1
            var lanes = requests[begin].completions
            while end < requests.count, lanes + requests[end].completions <= Self.waveLanes {
                lanes += requests[end].completions
                end += 1
            }
            var wave = Wave(
                requests: requests, range: begin..<end, sampling: sampling, step: step, onToken: onToken,
                contextLength: model.configuration.contextLength, endTokens: model.endTokens)
            try run(&wave)
            results += wave.completions
            if wave.isCancelled {
                results += requests[end...].map { _ in [] }
                break
            }
            begin = end
        }
        return results
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

    private func run(_ wave: inout Wave) throws {
        let cache = try reserveCache(pages: wave.pages)
        let transformer = Transformer(model: model, adapter: adapter)
        for part in wave.prefillParts(rows: Self.prefillRows) where !wave.isCancelled {
            let batch = wave.prefill(part)
            let hidden = try transformer.forward(
                batch, cache: cache, workspace: try reserveWorkspace(rows: batch.rows), keep: nil)
            try draw(&wave, lanes: wave.lanes(of: part), hidden: hidden, rows: wave.lastRows(part, in: batch))
        }
        while !wave.isCancelled {
            let active = wave.activeLanes
            guard !active.isEmpty else { break }
            let batch = wave.decode(active)
            let hidden = try transformer.forward(
                batch, cache: cache, workspace: try reserveWorkspace(rows: batch.rows), keep: nil)
            try draw(&wave, lanes: active, hidden: hidden, rows: Array(active.indices))
        }
    }

    /// Draws the next token of each lane from the hidden state in its row.
    private func draw(_ wave: inout Wave, lanes: [Int], hidden: Matrix, rows: [Int]) throws {
        let backend = model.backend
        let vocabulary = model.configuration.vocabularySize
        let room = try logits ?? Matrix(rows: Self.logitRows, columns: vocabulary)
        logits = room
        for first in stride(from: 0, to: lanes.count, by: Self.logitRows) {
            let part = first..<min(first + Self.logitRows, lanes.count)
            let states = try Matrix(rows: part.count, columns: hidden.columns)
            backend.gather(hidden, Array(rows[part]), into: states)
            let view = room.rows(0..<part.count)
            backend.logits(states, head: model.head, into: view)
            let rules = part.map { wave.rule(lanes[$0]) }
            let temperature = wave.sampling.temperature
            let drawn = try backend.sample(view, rows: rules, scoreTemperature: temperature > 0 ? temperature : 1)
            for (index, token) in zip(part, drawn) { wave.append(token, to: lanes[index]) }
        }
    }

    private func reserveWorkspace(rows: Int) throws -> Workspace {
        if let workspace, workspace.capacity >= rows { return workspace }
        workspace = nil
        let made = try Workspace(
            model.configuration, rank: adapter?.configuration.rank ?? 0, capacity: rows, training: false)
        workspace = made
        return made
    }

    private func reserveCache(pages: Int) throws -> KeyValueCache {
        if let cache, cache.pages >= pages { return cache }
        cache = nil
        let made = try KeyValueCache(shape: model.cacheShape, pages: pages)
        cache = made
        return made
    }
}
