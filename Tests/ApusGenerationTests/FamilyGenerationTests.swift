import ApusGeneration
import ApusModel
import ApusTensor
import ApusTestModels
import Testing

/// What holds of every family: the sampler's numbers are the trainer's, to the bit, and its greedy tokens transformers'.
@Suite struct FamilyGenerationTests {
    @Test(arguments: FamilyModel.names) func greedyTokensAreThoseOfTransformers(name: String) throws {
        let family = try FamilyModel(name)
        let wanted = family.golden.greedy
        // Where frequencies change with the length, up to that length: beyond it transformers goes on beside old keys.
        let model = try family.load(.f32, TestDevice.backend(threads: 2), isForItsText: false).0
        let count = min(wanted.tokens.count, model.configuration.contextLength - wanted.prompt.count)
        let sampling = SamplingParameters(temperature: 0, maxNewTokens: count, seed: 1)
        let request = GenerationRequest(prompt: wanted.prompt)
        let found = try GenerationEngine(model: model, adapter: nil).generate([request], sampling: sampling)[0][0]
        // The golden continuation goes on after an end token.
        let end = wanted.tokens[..<count].firstIndex(where: model.endTokens.contains) ?? count - 1
        #expect(found.tokens == Array(wanted.tokens[...end]))
    }

    @Test(arguments: FamilyModel.names, [WeightPrecision.f32, .bf16, .nf4])
    func sampledLogProbsAndKeptRowsAreThoseOfTheTrainer(name: String, precision: WeightPrecision) throws {
        let family = try FamilyModel(name)
        let (model, adapter) = try family.load(precision, TestDevice.backend(threads: 2))
        try expectSamplerAndTrainerToAgree(model, adapter, family)
    }

    /// An adapter beside the embedding and the head, which have ways of their own.
    @Test(arguments: ["llama-1", "gemma2-1", "granite-3"], WeightPrecision.allCases)
    func adaptersOfEmbeddingAndHead(name: String, precision: WeightPrecision) throws {
        let family = try FamilyModel(name)
        let model = try family.load(precision, TestDevice.backend(threads: 2)).0
        let modules = LoRAConfiguration(rank: 4, targetModules: ["embed_tokens", "lm_head", "v_proj"])
        let adapter = try LoRAAdapter(modules, for: model, seed: 2)
        // Away from where nothing is added.
        let values = try adapter.parameters
        try adapter.setParameters(values.indices.map { values[$0] + 0.1 * Float($0 % 7 - 3) })
        try expectSamplerAndTrainerToAgree(model, adapter, family)
    }

    private func expectSamplerAndTrainerToAgree(
        _ model: LanguageModel, _ adapter: LoRAAdapter, _ family: FamilyModel
    ) throws {
        let pages = PageStore(model: model, contents: .training(.recompute), pages: 64)
        let engine = GenerationEngine(model: model, adapter: adapter, pages: pages, keepsRollouts: true)
        let length = min(24, model.configuration.contextLength - family.golden.promptLength)
        let request = GenerationRequest(prompt: family.group.prompt, completions: 3)
        let completions = try engine.generate(
            [request], sampling: SamplingParameters(temperature: 1, maxNewTokens: length, seed: 5))[0]
        let groups = [TokenGroup(prompt: request.prompt, completions: completions.map(\.tokens))]
        let kept = TrainingPass(model: model, trained: .adapter(adapter), pages: pages)
        let fresh = TrainingPass(model: model, adapter: adapter)
        let scores = try [kept, fresh].map { try $0.forward(groups)[0].map(\.logProbs) }
        #expect(scores[0] == completions.map(\.logProbs) && scores[1] == scores[0])
        #expect(kept.forwardPasses == 0 && fresh.forwardPasses == 1)
        let gradients = try [kept, fresh].map { pass in
            adapter.zeroGradients()
            try pass.backward([scores[0].map { $0.map { _ in -1 } }])
            return try adapter.gradients
        }
        #expect(gradients[0] == gradients[1] && gradients[0].contains { $0 != 0 })
    }
}
