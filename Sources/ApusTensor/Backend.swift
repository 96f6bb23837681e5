/// The seam between the model and a device: some thirty-five operations at the grain of a layer's pieces.
///
/// Model code is written once above it. A backend owns its weight layout and its threads or streams. Every operation
/// computes a row's result from that row (and the keys and values it may see) alone, in a fixed order.
public protocol Backend: AnyObject, Sendable {
    /// For people: which device and which kernels.
    var name: String { get }

    // MARK: Weights

    /// Packs a weight; `rows` writes the fp32 values of a range of rows into the span that it is given.
    /// It is called from several threads at once, each time for other rows.
    ///
    /// - Throws: What `rows` throws; `TensorError` for a shape that the format cannot hold, or without memory.
    func makeWeight<E: Error>(
        _ format: WeightFormat, outputs: Int, inputs: Int,
        rows: (Range<Int>, UnsafeMutableBufferPointer<Float>) throws(E) -> Void
    ) throws -> Weight
    /// Packs a weight that is NF4 already: codes one a byte, and one scale a block of 64 values of the flattened matrix.
    ///
    /// - Throws: `TensorError` for a shape that the format cannot hold, or without memory.
    func makeWeight(nf4Codes codes: [UInt8], scales: [Float], outputs: Int, inputs: Int) throws -> Weight
    /// Names the form in which weights are packed: bytes packed under one name mean the same weight under that name, in any
    /// process. nil where packed weights cannot be kept.
    var weightLayout: String? { get }
    /// A weight that was packed before, by this backend or another one of the same `weightLayout`; it is not copied.
    ///
    /// - Parameter parts: the bytes of its `storages`, in their order.
    /// - Throws: `TensorError` when the parts are not what a weight of this format and shape takes.
    func makeWeight(_ format: WeightFormat, outputs: Int, inputs: Int, packed parts: [SharedPart]) throws -> Weight
    /// Reserves an adapter matrix in the form that this backend's kernels read.
    ///
    /// - Throws: `TensorError` when the system has no memory for it.
    func makeAdapterWeight(outputs: Int, inputs: Int, beside base: WeightFormat) throws -> Weight
    /// Fills an adapter matrix from `values`, [outputs][inputs], times `scale`.
    func repack(_ weight: Weight, from values: Matrix, scale: Float)

    // MARK: Rows

    /// x[i] = the table's row tokens[i].
    func embed(_ tokens: [Int32], table: Weight, into x: Matrix)
    /// y = RMSNorm(x) · gain; y may be x.
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
    /// Copies rows: destination[indices[i]] = source[i]; no two indices are equal.
    func scatter(_ source: Matrix, _ indices: [Int], into destination: Matrix)
    /// As `scatter`, rounded to 16 bits.
    func scatter(_ source: Matrix, _ indices: [Int], into destination: ShortRows)
    /// As `gather`, from 16 bits.
    func gather(_ source: ShortRows, _ indices: [Int], into destination: Matrix)
    /// The columns of a wide matrix to narrower ones that stand for them side by side.
    func split(_ joined: Matrix, into parts: [Matrix])
    /// Puts matrices side by side.
    func join(_ parts: [Matrix], into joined: Matrix)
    /// destination[indices[i]] += source[i], in ascending i.
    func scatterAdd(_ source: Matrix, _ indices: [Int], into destination: Matrix)
    /// Columns as rows: destination[i] = the column indices[i] of source.
    func gatherColumns(_ source: Matrix, _ indices: [Int], into destination: Matrix)
    /// The column indices[i] of destination += source[i], in ascending i.
    func scatterAddColumns(_ source: Matrix, _ indices: [Int], into destination: Matrix)

    // MARK: Linear

    /// Makes room for products of `rows` rows of up to `width` values; called before them.
    ///
    /// - Throws: `TensorError` when the system has no memory for it.
    func prepareProducts(rows: Int, width: Int) throws
    /// All products of one input, in one call.
    func linear(_ x: Matrix, _ products: [LinearProduct])
    /// Adds every adapter's gradients; dx (+)= Σ dOutput W + (dOutput · scale·B) A, in the order given.
    ///
    /// - Parameter dx: nil where the input needs no gradient.
    func linearBackward(_ gradients: [LinearGradient], input x: Matrix, dx: Matrix?, accumulate: Bool)

    // MARK: Attention

    /// Makes room for contexts of up to `maxContext` keys; called before attention sees them.
    ///
    /// - Throws: `TensorError` when the system has no memory for it.
    func prepareAttention(_ shape: KeyValueCache.Shape, maxContext: Int) throws
    /// Rotates each row's heads, as far as the table goes, by the row's position, in place; `inverse` is the transpose, which
    /// takes a gradient back.
    func rope(_ x: Matrix, headSize: Int, table: RotaryTable, positions: [Int32], inverse: Bool)
    /// Writes keys and values into a layer's pages: entry e copies row rows[e] to slot slots[e].
    func writeKeysAndValues(_ k: Matrix, _ v: Matrix, cache: KeyValueCache, layer: Int, rows: [Int32], slots: [Int32])
    /// Causal attention of each row over the pages it may see; logSumExp is [rows][heads] where it is wanted.
    func attention(
        _ q: Matrix, cache: KeyValueCache, layer: Int, rule: AttentionRule, visible: Visibility, into out: Matrix,
        logSumExp: Matrix?)
    /// Gradients of attention: dq is written, dk and dv (zeroed here) hold the rows' sums.
    ///
    /// - Throws: `TensorError` when the system has no memory for what it needs in between.
    func attentionBackward(
        _ q: Matrix, out: Matrix, dOut: Matrix, logSumExp: Matrix, cache: KeyValueCache, layer: Int,
        rule: AttentionRule, segments: [Segment], tables: [Int32], dq: Matrix, dk: Matrix, dv: Matrix) throws

    // MARK: Activation

    /// h = activation(gate) · up.
    func gate(_ activation: GateActivation, _ gate: Matrix, _ up: Matrix, into h: Matrix)
    /// Replaces gate and up by their gradients.
    func gateBackward(_ activation: GateActivation, gate: Matrix, up: Matrix, dh: Matrix)

    // MARK: Head

    /// Logits of every row, [rows][vocabulary], of the head alone or with an adapter beside it and room for its projection.
    func logits(
        _ hidden: Matrix, head: OutputHead, adapter: (lowRank: LowRank, projected: Matrix)?, into logits: Matrix)
    /// What `score` says, from logits that are there already: a row a target.
    func score(_ logits: Matrix, targets: ArraySlice<HeadTarget>, temperature: Float) -> [HeadScore]
    /// Log-probabilities and entropies of targets, a tile of the vocabulary at a time.
    ///
    /// - Throws: `TensorError` when the system has no memory for a tile.
    func score(
        _ hidden: Matrix, targets: [HeadTarget], head: OutputHead, temperature: Float
    ) throws -> [HeadScore]
    /// d hidden (+)= the gradient of Σ dLogProb · logProb + dEntropy · entropy; dHidden has a row a target.
    ///
    /// - Throws: `TensorError` when the system has no memory for a tile.
    func scoreBackward(
        _ hidden: Matrix, targets: [HeadTarget], scores: [HeadScore], dLogProb: [Float], dEntropy: [Float]?,
        head: OutputHead, temperature: Float, into dHidden: Matrix) throws
    /// Draws a token from each row of logits; see `SamplingRow`. The logits are overwritten.
    ///
    /// - Throws: `TensorError` for logits that hold NaN or infinity, or without memory for two rows.
    func sample(_ logits: Matrix, rows: [SamplingRow], scoreTemperature: Float) throws -> [SampledToken]

    // MARK: Gradients of weights

    /// c += aᵀ b, summed over rows in order: the gradient of a weight from those of its outputs and its inputs.
    func addOuterProduct(_ a: Matrix, _ b: Matrix, to c: Matrix)
    /// sums += the sum of x's rows: the gradient of a bias. `sums` is one row.
    func addColumnSums(_ x: Matrix, to sums: Matrix)
    /// dGain += the gradient of RMSNorm's gain, for inputs x and gradients dy of the outputs. `dGain` is one row.
    func rmsNormGainBackward(_ x: Matrix, epsilon: Float, dy: Matrix, addingTo dGain: Matrix)
    /// Replaces each row of logits, [targets][vocabulary], by the gradient of dLogProb · logProb + dEntropy · entropy with
    /// respect to the head's products.
    func logitsBackward(
        _ logits: Matrix, targets: ArraySlice<HeadTarget>, scores: ArraySlice<HeadScore>,
        dLogProb: ArraySlice<Float>, dEntropy: ArraySlice<Float>?, head: OutputHead, temperature: Float)

    // MARK: Optimizer

    /// Σ x² in double precision, in a fixed order.
    func sumOfSquares(_ x: Matrix) -> Double
    /// x *= factor.
    func scale(_ x: Matrix, by factor: Float)
    /// One AdamW step on flat buffers of the same size.
    func adamW(_ step: AdamWStep, parameters: Matrix, firstMoment: Matrix, secondMoment: Matrix, gradients: Matrix)
}
