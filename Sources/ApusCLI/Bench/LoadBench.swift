import Apus

/// From the model's file to the first token of a short prompt, several times in one process.
///
/// The first load is reported on its own too: it alone meets memory that the process has not used before. Whether the
/// file is in the system's cache is not for us to say; whether its weights came packed from the user's is reported.
struct LoadBench {
    let path: String
    let precision: WeightPrecision
    let backend: any Backend
    let usesCache: Bool

    private static let promptLength = 16

    private struct Times {
        let wasCached: Bool
        let load: Double
        let firstToken: Double
    }

    func run(loads: Int) throws -> BenchResult {
        let times = try (0..<loads).map { _ in
            // Between loads, so that it is in no figure: the first one may have left something to write.
            defer { WeightCache.finishWriting() }
            return try load()
        }
        var result = BenchResult()
        result.loadSeconds = Spread(seconds: times.map(\.load)).median
        result.firstTokenSeconds = result.noting(Spread(seconds: times.map(\.firstToken)))
        result.coldLoadSeconds = times[0].load
        result.cachedWeights = times[0].wasCached
        result.coldFirstTokenSeconds = times[0].firstToken
        return result
    }

    private func load() throws -> Times {
        let clock = ContinuousClock()
        let begin = clock.now
        let model = try ModelLoading.model(
            path: path, precision: precision, on: backend, usesCache: usesCache)
        let loaded = clock.now
        let length = min(Self.promptLength, model.configuration.contextLength - 1)
        let request = GenerationRequest(prompt: FixedTokens.prompt(length, for: model), completions: 1, firstSample: 0)
        _ = try GenerationEngine(model: model, adapter: nil).generate(
            [request], sampling: FixedTokens.sampling(1), step: 0)
        return Times(
            wasCached: model.hasCachedWeights, load: begin.duration(to: loaded).seconds,
            firstToken: begin.duration(to: clock.now).seconds)
    }
}
