public import ApusData
public import ApusGeneration
public import ApusModel
import ApusTensor
public import Foundation

/// A language model with a LoRA adapter as the policy of a run: sampler, scorer and optimizer share one copy of the weights.
public final class ModelPolicy: Policy {
    /// The frozen base model.
    public let model: LanguageModel
    /// What is trained.
    public let adapter: LoRAAdapter
    private let reference: LoRAAdapter?
    private let pages: PageStore
    private let keepsRollouts: Bool
    private let engine: GenerationEngine
    /// Visible to tests, which count its passes.
    let pass: TrainingPass

    /// The longest sequence that the model was made for.
    public var contextLength: Int? { model.configuration.contextLength }
    /// The model's.
    public var vocabularySize: Int? { model.configuration.vocabularySize }

    /// Whether the sampler's log-probabilities are used as they are: it runs the very arithmetic of the training pass.
    public let samplesExactLogProbs: Bool

    /// What a token takes, and how many the budget holds.
    public var memoryPlan: String? {
        let size = KeyValueCache.pageTokens
        func kibibytes(_ bytes: Int) -> Int { (bytes / size + 512) / 1024 }
        let tokens = pages.pageCount * size
        return "memory: a token takes \(kibibytes(pages.keyValueBytes)) KiB for keys and values and "
            + "\(kibibytes(pages.inputBytes)) KiB for \(keepsRollouts ? "kept rows" : "the rows of a training pass"); the "
            + "budget of \(pages.budget.bytes / 1_048_576) MiB holds \(tokens) tokens"
    }

    /// What the process held when the pages were reserved, and all pages.
    public let plannedMemory: Int?

    /// Says when rows could not be kept, or sequences had to be computed again.
    public var memoryShortfall: String? {
        let statistics = engine.statistics
        guard statistics.dropsOfKeptRollouts > 0 || statistics.preemptions > 0 else { return nil }
        return
            "memory: the budget of \(pages.budget.bytes / 1_048_576) MiB does not hold all rows of a generation: they are "
            + "computed again (\(statistics.preemptions) sequences while sampling), which changes no result; for speed raise "
            + "memory_utilization or lower generation_batch_size"
    }

    /// The adapter and AdamW's two moments in fp32, and the tokenizer's files.
    public var checkpointBytes: Int? { 12 * adapter.parameterCount + (1 << 20) }

    /// The model's hash (absent when its files are gone) and precision, the adapter's shape, and the reference adapter.
    public var identity: [String: JSONValue] {
        var entries = RunIdentity.entries(of: adapter, beside: model)
        entries["reference_adapter"] = reference.map { .string(RunIdentity.digest(of: $0)) }
        return entries
    }

    /// Binds a model and its adapter.
    /// - Parameters:
    ///   - samplesExactLogProbs: use the sampler's log-probabilities; false computes the same numbers again where the policy
    ///     may move before they are used.
    ///   - keepsRollouts: train on the rows that the sampler computed, as long as the policy has not moved; false computes
    ///     the same rows again.
    ///   - keepsActivations: keep what the inside of layers computes, in 16 bits, in place of computing it again: faster for
    ///     two to three times the memory a token.
    ///   - reference: the frozen adapter of the reference policy; nil where that is the base model alone.
    ///   - memory: what keys, values and kept rows may take.
    public convenience init(
        model: LanguageModel, adapter: LoRAAdapter, reference: LoRAAdapter? = nil, samplesExactLogProbs: Bool = true,
        keepsRollouts: Bool = true,
        keepsActivations: Bool = false, memory: MemoryBudget = MemoryBudget()
    ) {
        self.init(
            model: model, adapter: adapter, reference: reference, samplesExactLogProbs: samplesExactLogProbs,
            keepsRollouts: keepsRollouts,
            pages: PageStore(
                model: model, contents: keepsActivations ? .activations : .layerInputs, budget: memory))
    }

    /// Binds a model, its adapter and the pages for its sequences.
    init(
        model: LanguageModel, adapter: LoRAAdapter, reference: LoRAAdapter? = nil, samplesExactLogProbs: Bool,
        keepsRollouts: Bool, pages: PageStore
    ) {
        self.model = model
        self.adapter = adapter
        self.reference = reference
        self.samplesExactLogProbs = samplesExactLogProbs
        self.pages = pages
        self.keepsRollouts = keepsRollouts
        plannedMemory = ProcessMemory.resident.map { $0 + pages.budget.bytes }
        engine = GenerationEngine(model: model, adapter: adapter, pages: pages, keepsRollouts: keepsRollouts)
        pass = TrainingPass(model: model, adapter: adapter, reference: reference, pages: pages)
    }

    /// Samples completions; sample indices run through the whole batch.
    /// - Throws: what `GenerationEngine.generate` throws.
    public func generate(
        _ prompts: [[Int32]], groupSize: Int, step: Int, sampling: SamplingParameters, continuesBatch: Bool,
        onToken: () -> Void
    ) throws -> [[Completion]] {
        let requests = prompts.enumerated().map { index, prompt in
            GenerationRequest(prompt: prompt, completions: groupSize, firstSample: index * groupSize)
        }
        return try withoutActuallyEscaping(onToken) { onToken in
            try engine.generate(requests, sampling: sampling, step: step, keepsEarlier: continuesBatch) { _, _, _ in
                onToken()
                return true
            }
        }
    }

    /// Scores completions under the adapter or the base model.
    /// - Throws: what `TrainingPass.score` throws.
    public func score(_ groups: [TokenGroup], temperature: Float, adapterEnabled: Bool) throws -> [[TokenScores]] {
        try pass.score(groups, temperature: temperature, adapterEnabled: adapterEnabled)
    }

    /// Scores completions and keeps what a backward pass needs.
    /// - Throws: what `TrainingPass.forward` throws.
    public func forward(_ groups: [TokenGroup], temperature: Float) throws -> [[TokenScores]] {
        try pass.forward(groups, temperature: temperature)
    }

    /// Adds to the adapter's gradients.
    /// - Throws: what `TrainingPass.backward` throws.
    public func backward(_ logProbGradients: [[[Float]]], entropyGradients: [[[Float]]]?) throws {
        try pass.backward(logProbGradients, entropyGradients: entropyGradients)
    }

    /// Clears the adapter's gradients.
    public func zeroGradients() { adapter.zeroGradients() }

    /// The L2 norm of the adapter's gradients.
    public func gradientNorm() -> Double { adapter.gradientNorm() }

    /// Multiplies the adapter's gradients.
    public func scaleGradients(by factor: Float) { adapter.scaleGradients(by: factor) }

    /// One AdamW step on the adapter.
    public func optimizerStep(_ parameters: OptimizerStep) {
        adapter.adamWStep(AdamWStep(parameters))
    }

    /// Writes the adapter as PEFT does.
    /// - Throws: `FormatError` when a file cannot be written.
    public func save(to directory: URL) throws { try adapter.save(to: directory) }

    /// Writes `optimizer.safetensors`: AdamW's moments of every adapter tensor, as `<name>.exp_avg` and `<name>.exp_avg_sq`.
    /// - Throws: `FormatError` when the file cannot be written.
    public func saveOptimizer(to directory: URL) throws {
        try OptimizerFile.write(adapter, to: directory)
    }

    /// Reads the adapter and its moments back.
    /// - Throws: `FormatError`, `ModelError` or ``TrainingError`` when the files are damaged or of another adapter.
    public func restore(from directory: URL) throws {
        try adapter.restore(from: directory, beside: model)
    }
}
