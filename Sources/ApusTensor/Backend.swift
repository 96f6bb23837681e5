/// One product of a fused linear call: output = input Wᵀ (+ bias) (+ adapter).
public struct LinearProduct {
    /// The frozen weight, [outputs][inputs].
    public let weight: Weight
    /// One value an output, or nil.
    public let bias: Matrix?
    /// The adapter beside the weight, or nil.
    public let lowRank: LowRank?
    /// Where x Aᵀ goes, [rows][rank]; needed with an adapter, kept for the backward pass.
    public let projected: Matrix?
    /// The result, [rows][outputs]; nil where only `projected` is wanted.
    public let output: Matrix?

    /// A product and where its results go.
    public init(weight: Weight, bias: Matrix?, lowRank: LowRank?, projected: Matrix?, output: Matrix?) {
        precondition(lowRank == nil || projected != nil, "an adapter needs room for its projection")
        self.weight = weight
        self.bias = bias
        self.lowRank = lowRank
        self.projected = projected
        self.output = output
    }
}

/// One product of a fused backward call, the gradient of a `LinearProduct`.
public struct LinearGradient {
    /// Gradient of the output, [rows][outputs].
    public let dOutput: Matrix
    /// The frozen weight.
    public let weight: Weight
    /// The adapter and what its gradients need, or nil.
    public let adapter: Adapter?

    /// The part of a linear's gradient that belongs to its adapter.
    public struct Adapter {
        /// The packed pair.
        public let lowRank: LowRank
        /// x Aᵀ of the forward pass, [rows][rank].
        public let projected: Matrix
        /// Room for dOutput · scale·B, [rows][rank].
        public let dProjected: Matrix
        /// Where the gradient of A is added, [rank][inputs].
        public let aGradient: Matrix
        /// Where the gradient of B is added, [outputs][rank].
        public let bGradient: Matrix
        /// alpha / rank.
        public let scale: Float

        /// Bundles the parts.
        public init(
            lowRank: LowRank, projected: Matrix, dProjected: Matrix, aGradient: Matrix, bGradient: Matrix,
            scale: Float
        ) {
            self.lowRank = lowRank
            self.projected = projected
            self.dProjected = dProjected
            self.aGradient = aGradient
            self.bGradient = bGradient
            self.scale = scale
        }
    }

    /// A gradient of one product.
    public init(dOutput: Matrix, weight: Weight, adapter: Adapter?) {
        self.dOutput = dOutput
        self.weight = weight
        self.adapter = adapter
    }
}

/// A token whose log-probability is wanted: which row of hidden states predicts it.
public struct HeadTarget: Sendable {
    /// Index into the rows of hidden states.
    public let row: Int
    /// The token.
    public let token: Int32

    /// A row and the token that came after it.
    public init(row: Int, token: Int32) {
        self.row = row
        self.token = token
    }
}

/// What the head says of one target, under the tempered distribution.
public struct HeadScore: Sendable {
    /// Natural logarithm of the target's probability.
    public var logProb: Float
    /// Entropy of the distribution, in nats.
    public var entropy: Float
    /// log Σ e^z, kept for the gradient.
    public var logSumExp: Float

    /// A score.
    public init(logProb: Float, entropy: Float, logSumExp: Float) {
        self.logProb = logProb
        self.entropy = entropy
        self.logSumExp = logSumExp
    }
}

/// The seam between the model and a device: about twenty operations at the grain of a layer's pieces.
///
/// Model code is written once above it. A backend owns its weight layout and its threads or streams. Every operation
/// computes a row's result from that row (and the keys and values it may see) alone, in a fixed order.
public protocol Backend: AnyObject, Sendable {
    /// For people: which device and which kernels.
    var name: String { get }

    // MARK: Weights

    /// Packs a weight; `rows` writes the fp32 values of a range of rows into the span that it is given.
    func makeWeight<E: Error>(
        _ format: WeightFormat, outputs: Int, inputs: Int,
        rows: (Range<Int>, UnsafeMutableBufferPointer<Float>) throws(E) -> Void
    ) throws -> Weight
    /// Packs a weight that is NF4 already: codes one a byte, and one scale a block of 64 values of the flattened matrix.
    func makeWeight(nf4Codes codes: [UInt8], scales: [Float], outputs: Int, inputs: Int) throws -> Weight
    /// Reserves an adapter matrix in the form that this backend's kernels read.
    func makeAdapterWeight(outputs: Int, inputs: Int, exact: Bool) throws -> Weight
    /// Fills an adapter matrix from `values`, [outputs][inputs], times `scale`.
    func repack(_ weight: Weight, from values: Matrix, scale: Float)

    // MARK: Rows

    /// x[i] = the table's row tokens[i].
    func embed(_ tokens: [Int32], table: Weight, into x: Matrix)
    /// y = RMSNorm(x) · gain.
    func rmsNorm(_ x: Matrix, gain: Matrix, epsilon: Float, into y: Matrix)
    /// x += d, then y = RMSNorm(x) · gain.
    func addRMSNorm(_ x: Matrix, adding d: Matrix, gain: Matrix, epsilon: Float, into y: Matrix)
    /// dx += the gradient of RMSNorm at x.
    func rmsNormBackward(_ x: Matrix, gain: Matrix, epsilon: Float, dy: Matrix, addingTo dx: Matrix)
    /// Copies all values.
    func copy(_ source: Matrix, into destination: Matrix)
    /// x += d.
    func add(_ x: Matrix, _ d: Matrix)
    /// Copies rows: destination[i] = source[indices[i]].
    func gather(_ source: Matrix, _ indices: [Int], into destination: Matrix)
    /// destination[indices[i]] += source[i], in ascending i.
    func scatterAdd(_ source: Matrix, _ indices: [Int], into destination: Matrix)

    // MARK: Linear

    /// All products of one input, in one call.
    func linear(_ x: Matrix, _ products: [LinearProduct])
    /// Adds every adapter's gradients; dx (+)= Σ dOutput W + (dOutput · scale·B) A, in the order given.
    ///
    /// - Parameter dx: nil where the input needs no gradient.
    func linearBackward(_ gradients: [LinearGradient], input x: Matrix, dx: Matrix?, accumulate: Bool)

    // MARK: Attention

    /// Makes room for contexts of up to `maxContext` keys; called before attention sees them.
    func prepareAttention(_ shape: KeyValueCache.Shape, maxContext: Int) throws
    /// Rotates the heads of each row by its position, in place; `inverse` rotates back (the gradient).
    func rope(_ x: Matrix, headSize: Int, table: RotaryTable, positions: [Int32], inverse: Bool)
    /// Writes keys and values into a layer's pages: entry e copies row rows[e] to slot slots[e].
    func writeKeysAndValues(_ k: Matrix, _ v: Matrix, cache: KeyValueCache, layer: Int, rows: [Int32], slots: [Int32])
    /// Causal attention of each row over the pages it may see; logSumExp is [rows][heads] where it is wanted.
    func attention(
        _ q: Matrix, cache: KeyValueCache, layer: Int, visible: Visibility, into out: Matrix, logSumExp: Matrix?)
    /// Gradients of attention: dq is written, dk and dv (zeroed here) hold the rows' sums.
    func attentionBackward(
        _ q: Matrix, out: Matrix, dOut: Matrix, logSumExp: Matrix, cache: KeyValueCache, layer: Int,
        segments: [Segment], tables: [Int32], dq: Matrix, dk: Matrix, dv: Matrix) throws

    // MARK: Activation

    /// h = silu(gate) · up.
    func siluGate(_ gate: Matrix, _ up: Matrix, into h: Matrix)
    /// Replaces gate and up by their gradients.
    func siluGateBackward(gate: Matrix, up: Matrix, dh: Matrix)

    // MARK: Head

    /// Logits of every row, [rows][vocabulary].
    func logits(_ hidden: Matrix, head: Weight, into logits: Matrix)
    /// Log-probabilities and entropies of targets, a tile of the vocabulary at a time.
    func score(_ hidden: Matrix, targets: [HeadTarget], head: Weight, temperature: Float) throws -> [HeadScore]
    /// d hidden (+)= the gradient of Σ dLogProb · logProb + dEntropy · entropy; dHidden has a row a target.
    func scoreBackward(
        _ hidden: Matrix, targets: [HeadTarget], scores: [HeadScore], dLogProb: [Float], dEntropy: [Float]?,
        head: Weight, temperature: Float, into dHidden: Matrix) throws
    /// Draws a token from each row of logits; see `SamplingRow`. The logits are overwritten.
    func sample(_ logits: Matrix, rows: [SamplingRow], scoreTemperature: Float) throws -> [SampledToken]

    // MARK: Optimizer

    /// Σ x² in double precision, in a fixed order.
    func sumOfSquares(_ x: Matrix) -> Double
    /// x *= factor.
    func scale(_ x: Matrix, by factor: Float)
    /// One AdamW step on flat buffers of the same size.
    func adamW(_ step: AdamWStep, parameters: Matrix, firstMoment: Matrix, secondMoment: Matrix, gradients: Matrix)
}

/// The numbers of one AdamW step (torch's fused formulation).
public struct AdamWStep: Sendable {
    /// Step number, from 1.
    public var step: Int
    /// Learning rate of this step.
    public var learningRate: Double
    /// Decay of the first moment.
    public var beta1: Double
    /// Decay of the second moment.
    public var beta2: Double
    /// Added to the root of the second moment.
    public var epsilon: Double
    /// Decoupled weight decay.
    public var weightDecay: Double

    /// A step.
    public init(step: Int, learningRate: Double, beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double) {
        self.step = step
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
    }
}

/// How one row of logits is drawn from.
public struct SamplingRow: Sendable {
    /// Divides the logits; 0 takes the most probable token.
    public var temperature: Float
    /// Keep the k most probable; 0 is off.
    public var topK: Int
    /// Keep the smallest set with this probability; 1 is off.
    public var topP: Float
    /// Keep tokens with at least this share of the best one's probability; 0 is off.
    public var minP: Float
    /// Divides (multiplies, where negative) logits of tokens seen; 1 is off.
    public var repetitionPenalty: Float
    /// Tokens of prompt and output, for the penalty.
    public var seen: [Int32]
    /// Tokens that must not come now.
    public var banned: [Int32]
    /// The random number in [0, 1) that decides.
    public var uniform: Double

    /// A rule for one row.
    public init(
        temperature: Float, topK: Int, topP: Float, minP: Float, repetitionPenalty: Float, seen: [Int32],
        banned: [Int32], uniform: Double
    ) {
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.minP = minP
        self.repetitionPenalty = repetitionPenalty
        self.seen = seen
        self.banned = banned
        self.uniform = uniform
    }
}

/// A drawn token and its log-probability under the tempered distribution of the whole vocabulary.
public struct SampledToken: Sendable {
    /// The token.
    public let token: Int32
    /// Its log-probability, bit for bit what `Backend.score` says of it.
    public let logProb: Float
}
