internal import ApusFormats
internal import ApusTensor

/// What a file says of a model, whatever its format: from it and the family's rules follow the layers.
struct ModelFacts {
    var hiddenSize: Int
    var intermediateSize: Int
    var layerCount: Int
    var headCount: Int
    var keyValueHeadCount: Int
    var headSize: Int
    var vocabularySize: Int
    var contextLength: Int
    var normEpsilon: Double
    /// What queries and keys are turned by.
    var rotary: RotaryEmbedding
    /// The same in layers that see a window; nil where it is no other.
    var windowRotary: RotaryEmbedding?
    /// Layers that turn nothing.
    var unrotatedLayers: Set<Int> = []
    /// Keys that a query of a windowed layer sees.
    var window: Int?
    var windowedLayers: Set<Int> = []
    /// What q · k is multiplied by; nil for 1 / √headSize.
    var attentionScale: Double?
    var attentionSoftCap: Double?
    var logitSoftCap: Double?
    var embeddingMultiplier = 1.0
    var residualMultiplier = 1.0
    var logitMultiplier = 1.0
    /// Biases of queries, keys and values.
    var inputBias = false
    /// A bias of attention's output.
    var outputBias = false
    /// Biases of the feed-forward network.
    var feedForwardBias = false
    var activation: GateActivation
    var tiesEmbeddings: Bool
    var bosToken: Int32?
    var endTokens: [Int32]
}

extension ModelConfiguration {
    /// Plans the layers of a model.
    ///
    /// - Parameter file: the file that the facts were read from, for the error.
    /// - Throws: `FormatError` with code `malformed` for numbers that make no model.
    init(_ facts: ModelFacts, _ architecture: Architecture, file: String) throws(FormatError) {
        try facts.validate(file: file)
        self.architecture = architecture
        hiddenSize = facts.hiddenSize
        intermediateSize = facts.intermediateSize
        headCount = facts.headCount
        keyValueHeadCount = facts.keyValueHeadCount
        headSize = facts.headSize
        vocabularySize = facts.vocabularySize
        contextLength = facts.contextLength
        normEpsilon = Float(facts.normEpsilon)
        rotaryEmbeddings = [facts.rotary] + [facts.windowRotary].compactMap(\.self)
        layers = (0..<facts.layerCount).map { facts.layer($0, architecture) }
        embeddingMultiplier = Float(facts.embeddingMultiplier)
        logitMultiplier = Float(facts.logitMultiplier)
        logitSoftCap = facts.logitSoftCap.map { Float($0) }
        tiesEmbeddings = facts.tiesEmbeddings
        bosToken = facts.bosToken
        endTokens = facts.endTokens
    }
}

extension ModelFacts {
    /// What a layer computes.
    fileprivate func layer(_ index: Int, _ architecture: Architecture) -> LayerPlan {
        let isWindowed = windowedLayers.contains(index)
        var norms: [NormPosition: Int] = [:]
        for place in architecture.norms.keys { norms[place] = width(of: place, architecture) }
        return LayerPlan(
            norms: norms, modules: modules(architecture),
            rotaryEmbedding: unrotatedLayers.contains(index) ? nil : isWindowed && windowRotary != nil ? 1 : 0,
            attention: AttentionRule(
                scale: attentionScale.map { Float($0) } ?? 1 / Float(headSize).squareRoot(),
                softCap: attentionSoftCap.map { Float($0) }, window: isWindowed ? window : nil),
            activation: activation, residualMultiplier: Float(residualMultiplier))
    }

    private func width(of norm: NormPosition, _ architecture: Architecture) -> Int {
        switch norm {
        case .queries: architecture.normsEachHead ? headSize : headCount * headSize
        case .keys: architecture.normsEachHead ? headSize : keyValueHeadCount * headSize
        case .beforeAttention, .afterAttention, .beforeFeedForward, .afterFeedForward: hiddenSize
        }
    }

    private func modules(_ architecture: Architecture) -> [LinearPlan] {
        let (queries, keys) = (headCount * headSize, keyValueHeadCount * headSize)
        func plan(_ module: LinearModule, _ outputs: Int, _ inputs: Int, _ hasBias: Bool) -> LinearPlan {
            LinearPlan(module: module, outputs: outputs, inputs: inputs, hasBias: hasBias)
        }
        let attention =
            architecture.isFused
            ? [plan(.queryKeyValue, queries + 2 * keys, hiddenSize, inputBias)]
            : [
                plan(.query, queries, hiddenSize, inputBias), plan(.key, keys, hiddenSize, inputBias),
                plan(.value, keys, hiddenSize, inputBias),
            ]
        let feedForward =
            architecture.isFused
            ? [plan(.gateUp, 2 * intermediateSize, hiddenSize, feedForwardBias)]
            : [
                plan(.gate, intermediateSize, hiddenSize, feedForwardBias),
                plan(.up, intermediateSize, hiddenSize, feedForwardBias),
            ]
        return attention + [plan(.attentionOutput, hiddenSize, queries, outputBias)] + feedForward
            + [plan(.down, hiddenSize, intermediateSize, feedForwardBias)]
    }
}
