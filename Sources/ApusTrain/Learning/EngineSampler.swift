public import ApusGeneration
import ApusModel
import ApusTensor

/// The generation engine of this process as a run's sampler. It reads the very parameters that the learner moves, and keeps the
/// rows that it computes for the learner's pass.
public final class EngineSampler: Sampler {
    private let pages: PageStore
    private let keepsRollouts: Bool
    private let engine: GenerationEngine

    /// It runs the very arithmetic of the training pass.
    public let samplesExactLogProbs: Bool

    /// What the process held when the pages were reserved, and all pages.
    public let plannedMemory: Int?

    /// - Parameters:
    ///   - samplesExactLogProbs: false has the same numbers computed again where the policy may move before they are used.
    ///   - keepsRollouts: false has the rows of a generation computed again by the learner.
    init(
        model: LanguageModel, adapter: LoRAAdapter?, samplesExactLogProbs: Bool, keepsRollouts: Bool, pages: PageStore
    ) {
        self.pages = pages
        self.samplesExactLogProbs = samplesExactLogProbs
        self.keepsRollouts = keepsRollouts
        plannedMemory = ProcessMemory.resident.map { $0 + pages.budgetBytes }
        engine = GenerationEngine(model: model, adapter: adapter, pages: pages, keepsRollouts: keepsRollouts)
    }

    /// What a token takes, and how many the budget holds.
    public var memoryPlan: String? {
        let size = KeyValueCache.pageTokens
        func kibibytes(_ bytes: Int) -> Int { (bytes / size + 512) / 1024 }
        let tokens = pages.pageCount * size
        let place = pages.hostBytes > 0 ? "KiB of main memory" : "KiB"
        let rows = keepsRollouts ? "kept rows" : "the rows of a training pass"
        return "memory: a token takes \(kibibytes(pages.keyValueBytes)) KiB for keys and values and "
            + "\(kibibytes(pages.inputBytes + pages.hostBytes)) \(place) for \(rows); the budget of "
            + "\(pages.budgetBytes / 1_048_576) MiB holds \(tokens) tokens"
    }

    /// Says when rows could not be kept, or sequences had to be computed again.
    public var memoryShortfall: String? {
        let statistics = engine.statistics
        guard statistics.dropsOfKeptRollouts > 0 || statistics.preemptions > 0 else { return nil }
        return
            "memory: the budget of \(pages.budgetBytes / 1_048_576) MiB does not hold all rows of a generation: they are "
            + "computed again (\(statistics.preemptions) sequences while sampling), which changes no result; for speed raise "
            + "memory_utilization or lower generation_batch_size"
    }

    /// Samples completions; sample indices run through the whole batch.
    /// - Throws: what `GenerationEngine.generate` throws.
    public nonisolated(nonsending) func generate(
        _ prompts: [[Int32]], groupSize: Int, step: Int, sampling: SamplingParameters, continuesBatch: Bool,
        onToken: () -> Void
    ) async throws -> [[Completion]] {
        let requests = prompts.enumerated().map { index, prompt in
            GenerationRequest(prompt: prompt, completions: groupSize, firstSample: index * groupSize)
        }
        return try withoutActuallyEscaping(onToken) { onToken in
            try engine.generate(requests, sampling: sampling, step: step, keepsEarlier: continuesBatch) { _ in
                onToken()
                return true
            }
        }
    }
}
