/// The seam between the model and a device: some fifty operations at the grain of a layer's pieces.
///
/// Model code is written once above it. A backend owns its memory, its weight layout and its threads or streams: matrices,
/// weights, caches and indices are handles that it makes, and nobody else's. Operations are computed in the order in which they
/// are called, when the backend likes; the host waits for them where it reads: `download`, `scores`, `sample`, `likeliest` and
/// `sumOfSquares`. What an operation needs in between was made room for by `prepare`, so that nothing fails midway; where the
/// device itself fails, the next read says so, and what was called since has done nothing.
///
/// Every operation computes a row's result from that row (and the keys and values it may see) alone, in a fixed order. Of
/// products that serve gradients alone (`linear` for `.gradients`, `linearBackward`, `scoreBackward`) a device may let the
/// shapes of the call decide the order: then no other row's values reach a row, and the same call gives the same bits in every
/// process with the same `arithmetic`, but how many rows there are may show in the last ones.
/// What was never written holds anything. Results lie apart from what an operation reads, unless it says otherwise.
public protocol Backend: AnyObject, Sendable {
    /// For people: which device and which kernels.
    var name: String { get }
    /// What results depend on, to the bit, beside the program: a run that goes on under another one says so.
    var arithmetic: String { get }

    // MARK: Memory

    /// Bytes of the device's memory that a process may hold.
    var memoryLimit: Int { get }
    /// Whether that is the memory in which the process itself lies, and whatever else it holds.
    var isProcessMemory: Bool { get }
    /// Bytes that may still be taken of the device's memory, so that a share of all of it is in use.
    func spareMemory(utilization: Double) -> Int
    /// Bytes of each of a layer's widest matrices that a pass works on at a time: as many as keep the device busy.
    var bytesAtATime: Int { get }
    /// Reserves a matrix.
    ///
    /// - Throws: `TensorError` when the device has no memory for it.
    func makeMatrix(rows: Int, columns: Int) throws -> Matrix
    /// Brings numbers to the device.
    ///
    /// - Throws: `TensorError` when the device has no memory for them.
    func makeIndices(_ numbers: [Int32]) throws -> Indices
    /// Writes all values, row after row.
    func upload(_ values: [Float], to matrix: Matrix)
    /// Reads all values, row after row.
    ///
    /// - Throws: `TensorError` when the device has failed.
    func download(_ matrix: Matrix) throws -> [Float]
    /// Sets every value.
    func fill(_ x: Matrix, with value: Float)
    /// Copies all values.
    func copy(_ source: Matrix, into destination: Matrix)

    // MARK: Weights

    /// Packs a weight; `rows` writes the fp32 values of a range of rows into the span that it is given.
    ///
    /// Each row is asked for once, in chunks of neighbouring rows; a backend that packs on several threads asks for several
    /// chunks at once.
    ///
    /// - Throws: What `rows` throws; `TensorError` for a shape that the format cannot hold, or without memory.
    func makeWeight<E: Error>(
        _ format: WeightFormat, outputs: Int, inputs: Int,
        rows: (Range<Int>, UnsafeMutableBufferPointer<Float>) throws(E) -> Void
    ) throws -> Weight
    /// Packs a weight that is NF4 already.
    ///
    /// - Throws: `TensorError` for a shape that the format cannot hold, or without memory.
    func makeWeight(_ stored: NF4Matrix) throws -> Weight
    /// Names the form in which weights are packed: bytes packed under one name mean the same weight under that name, in any
    /// process. nil where packed weights cannot be kept.
    var weightLayout: String? { get }
    /// A weight that was packed before, by this backend or another one of the same `weightLayout`. It need not be copied.
    ///
    /// - Parameter parts: what `packedParts` gave.
    /// - Throws: `TensorError` when the parts are not what a weight of this format and shape takes.
    func makeWeight(_ format: WeightFormat, outputs: Int, inputs: Int, packed parts: [SharedPart]) throws -> Weight
    /// The bytes of a packed weight, in pieces of a fixed order; none without a `weightLayout`.
    func packedParts(of weight: Weight) -> [any SharedBytes]
    /// Bytes of a weight as it would be packed.
    ///
    /// - Throws: `TensorError` for a shape that the format cannot hold.
    func byteCount(_ format: WeightFormat, outputs: Int, inputs: Int) throws -> Int
    /// Reserves an adapter matrix in the form that this backend's kernels read.
    ///
    /// - Throws: `TensorError` when the system has no memory for it.
    func makeAdapterWeight(outputs: Int, inputs: Int, beside base: WeightFormat) throws -> Weight
    /// Bytes of such a matrix.
    ///
    /// - Throws: `TensorError` for a shape that the format cannot hold.
    func adapterByteCount(outputs: Int, inputs: Int, beside base: WeightFormat) throws -> Int
    /// Fills adapter matrices, all of an adapter in one call.
    func repack(_ items: [Repacking])

    // MARK: Passes

    /// Pages that can be written which hold nothing now, as far as a device with a memory of its own can tell: those whose
    /// memory is there, and what the rest of the memory has room for beside the needs of passes.
    ///
    /// - Parameters:
    ///   - memories: what lies in the pages.
    ///   - pageBytes: bytes of a page in all of them.
    func availablePages(of memories: [PagedMemory], pageBytes: Int) -> Int
    /// Reserves pages for keys and values; memory is taken when a pass that writes a page is prepared, or when a page is copied.
    ///
    /// - Throws: `TensorError` when the device refuses the reservation.
    func makeCache(_ shape: KeyValueCache.Shape, pages: Int) throws -> KeyValueCache
    /// Bytes of a page over all layers.
    func pageBytes(_ shape: KeyValueCache.Shape) -> Int
    /// Copies what a page holds.
    ///
    /// - Throws: `TensorError` when the device has no memory for the copy.
    func copyPage(_ source: Int32, to destination: Int32, of cache: KeyValueCache) throws
    /// Says that what pages hold is not needed any more: where memory is short, theirs is used elsewhere.
    func discardPages(_ pages: [Int32], of memories: [PagedMemory])
    /// Reserves room for rows of pages, as `makeCache`.
    ///
    /// - Throws: `TensorError` when the device refuses the reservation.
    func makeKeptRows(_ shape: KeptRows.Shape, pages: Int) throws -> KeptRows
    /// Bytes of the device that one position takes of them.
    func positionBytes(_ shape: KeptRows.Shape) -> Int
    /// Bytes of the host that one position takes, where that is not the device.
    func hostBytes(_ shape: KeptRows.Shape) -> Int
    /// The angles of positions: fp32 products position · inverseFrequency, as transformers forms them.
    ///
    /// - Parameter factor: what all cosines and sines are multiplied by, and with them what is rotated.
    /// - Throws: `TensorError` when the device has no memory for it.
    func makeRotaryTable(inverseFrequencies: [Float], positions: Int, factor: Float) throws -> RotaryTable
    /// Makes everything ready for the operations of a batch's rows.
    ///
    /// - Throws: `TensorError` when the device has no memory for it.
    func prepare(_ batch: PackedBatch, for needs: PassNeeds) throws -> Pass
    /// Bytes that passes work in beside what they are given: of up to `maxContext` keys, with scores and samples of a head.
    func scratchBytes(_ shape: KeyValueCache.Shape, maxContext: Int, vocabularySize: Int, hiddenSize: Int) -> Int

    // MARK: Rows

    /// x[i] = the table's row tokens[i].
    func embed(_ tokens: Indices, table: Weight, into x: Matrix)
    /// y = RMSNorm(x) · gain; y may be x.
    func rmsNorm(_ x: Matrix, gain: Matrix, epsilon: Float, into y: Matrix)
    /// x += d, then y = RMSNorm(x) · gain.
    func addRMSNorm(_ x: Matrix, adding d: Matrix, gain: Matrix, epsilon: Float, into y: Matrix)
    /// dx += the gradient of RMSNorm at x.
    func rmsNormBackward(_ x: Matrix, gain: Matrix, epsilon: Float, dy: Matrix, addingTo dx: Matrix)
    /// x += d.
    func add(_ x: Matrix, _ d: Matrix)
    /// x *= factor.
    func scale(_ x: Matrix, by factor: Float)
    /// Copies rows: destination[i] = source[indices[i]].
    func gather(_ source: Matrix, _ indices: Indices, into destination: Matrix)
    /// destination[indices[i]] += source[i], in ascending i.
    func scatterAdd(_ source: Matrix, _ indices: Indices, into destination: Matrix)
    /// Columns as rows: destination[i] = the column indices[i] of source.
    func gatherColumns(_ source: Matrix, _ indices: Indices, into destination: Matrix)
    /// The column indices[i] of destination += source[i], in ascending i.
    func scatterAddColumns(_ source: Matrix, _ indices: Indices, into destination: Matrix)
    /// The columns of a wide matrix to narrower ones that stand for them side by side.
    func split(_ joined: Matrix, into parts: [Matrix])
    /// Puts matrices side by side.
    func join(_ parts: [Matrix], into joined: Matrix)
    /// Keeps rows of a pass, from the row `firstRow` on, as one of their positions' streams.
    func keep(_ x: Matrix, _ pass: Pass, firstRow: Int, in kept: KeptRows, stream: Int)
    /// Brings such rows back.
    func recall(_ kept: KeptRows, stream: Int, _ pass: Pass, firstRow: Int, into x: Matrix)

    // MARK: Linear

    /// All products of one input, in one call.
    func linear(_ x: Matrix, _ products: [LinearProduct], for use: ProductUse)
    /// Adds every adapter's gradients; then dx (+)= Σ dOutput W + (dOutput · scale·B) A, in the order given. dx may be x.
    ///
    /// - Parameter dx: nil where the input needs no gradient.
    func linearBackward(_ gradients: [LinearGradient], input x: Matrix, dx: Matrix?, accumulate: Bool)

    // MARK: Attention

    /// Rotates each row's heads, as far as the table goes, by the row's position, in place; `inverse` is the transpose, which
    /// takes a gradient back.
    func rope(_ x: Matrix, headSize: Int, table: RotaryTable, _ pass: Pass, inverse: Bool)
    /// Writes keys and values into a layer's pages, where the batch says.
    func writeKeysAndValues(_ k: Matrix, _ v: Matrix, cache: KeyValueCache, layer: Int, _ pass: Pass)
    /// Causal attention of each row over the pages it may see; logSumExp is [rows][heads] where it is wanted.
    func attention(
        _ q: Matrix, cache: KeyValueCache, layer: Int, rule: AttentionRule, _ pass: Pass, into out: Matrix,
        logSumExp: Matrix?)
    /// Gradients of attention: dq is written, dk and dv hold the rows' sums. What a completion adds to its prompt's rows is
    /// summed apart and then added, completion by completion.
    func attentionBackward(
        _ q: Matrix, out: Matrix, dOut: Matrix, logSumExp: Matrix, cache: KeyValueCache, layer: Int,
        rule: AttentionRule, _ pass: Pass, dq: Matrix, dk: Matrix, dv: Matrix)

    // MARK: Activation

    /// h = activation(gate) · up.
    func gate(_ activation: GateActivation, _ gate: Matrix, _ up: Matrix, into h: Matrix)
    /// Replaces gate and up by their gradients.
    func gateBackward(_ activation: GateActivation, gate: Matrix, up: Matrix, dh: Matrix)

    // MARK: Head

    /// Logits of every row, [rows][vocabulary], of the head alone or with an adapter beside it and room for its projection.
    func logits(
        _ hidden: Matrix, head: OutputHead, adapter: (lowRank: LowRank, projected: Matrix)?, into logits: Matrix)
    /// The place of the largest logit of every row, the first of equals.
    ///
    /// - Throws: `TensorError` when the device has failed.
    func likeliest(_ logits: Matrix) throws -> [Int32]
    /// What the next `score` says, from logits that are there already: a row a token.
    func score(_ logits: Matrix, tokens: Indices, temperature: Float, into scores: Matrix)
    /// Log-probabilities and entropies of targets, a tile of the vocabulary at a time, [targets][`HeadScore.width`].
    func score(_ hidden: Matrix, _ targets: HeadTargets, head: OutputHead, temperature: Float, into scores: Matrix)
    /// d hidden = the gradient of Σ dLogProb · logProb + dEntropy · entropy; dHidden has a row a target.
    ///
    /// - Parameter gradients: dLogProb and dEntropy, [targets][`HeadScore.gradientWidth`].
    func scoreBackward(
        _ hidden: Matrix, _ targets: HeadTargets, scores: Matrix, gradients: Matrix, head: OutputHead,
        temperature: Float, into dHidden: Matrix)
    /// Replaces each row of logits, [targets][vocabulary], by the gradient of dLogProb · logProb + dEntropy · entropy with
    /// respect to the head's products.
    func logitsBackward(
        _ logits: Matrix, tokens: Indices, scores: Matrix, gradients: Matrix, head: OutputHead, temperature: Float)

    // MARK: Sampling

    /// Lines for the tokens that sequences have had, of a vocabulary of so many.
    ///
    /// - Throws: `TensorError` when the device has no memory for them.
    func makeHistory(lines: Int, vocabularySize: Int) throws -> TokenHistory
    /// Replaces the tokens of a line.
    func setHistory(_ history: TokenHistory, line: Int, to tokens: [Int32])
    /// Draws a token from each row of logits; see `SamplingRow`. The logits are overwritten; the lines, of which no two rows
    /// have the same, get their tokens once all rows have one.
    ///
    /// - Throws: `TensorError` for logits that hold NaN or infinity, without memory for two rows, or when the device has failed.
    func sample(
        _ logits: Matrix, rows: [SamplingRow], history: TokenHistory?, scoreTemperature: Float
    ) throws -> [SampledToken]

    // MARK: Gradients of weights

    /// c += aᵀ b, summed over rows in order: the gradient of a weight from those of its outputs and its inputs. Rows that are
    /// given in several calls, cut at multiples of 64, give the same bits.
    func addOuterProduct(_ a: Matrix, _ b: Matrix, to c: Matrix)
    /// sums += the sum of x's rows: the gradient of a bias. `sums` is one row.
    func addColumnSums(_ x: Matrix, to sums: Matrix)
    /// dGain += the gradient of RMSNorm's gain, for inputs x and gradients dy of the outputs. `dGain` is one row.
    func rmsNormGainBackward(_ x: Matrix, epsilon: Float, dy: Matrix, addingTo dGain: Matrix)

    // MARK: Optimizer

    /// Σ x² in double precision, in a fixed order.
    ///
    /// - Throws: `TensorError` when the device has failed.
    func sumOfSquares(_ x: Matrix) throws -> Double
    /// One AdamW step on flat buffers of the same size.
    func adamW(_ step: AdamWStep, parameters: Matrix, firstMoment: Matrix, secondMoment: Matrix, gradients: Matrix)
}

extension Backend {
    /// Products that scores may depend on.
    @inlinable
    public func linear(_ x: Matrix, _ products: [LinearProduct]) { linear(x, products, for: .scores) }
}

/// Of a device like a processor, whose memory is the system's.
extension Backend {
    /// 6 MiB, which its threads have in their caches.
    public var bytesAtATime: Int { 6 << 20 }

    /// All: the system gives memory as long as the budget lasts.
    public func availablePages(of memories: [PagedMemory], pageBytes: Int) -> Int { .max }

    /// None: the host's memory is the device's.
    public func hostBytes(_ shape: KeptRows.Shape) -> Int { 0 }

    /// Nothing: the pages are written again before the system would miss them.
    public func discardPages(_ pages: [Int32], of memories: [PagedMemory]) {}
}

/// Of a device that keeps no packed weights.
extension Backend {
    /// None.
    public var weightLayout: String? { nil }

    /// Nothing.
    public func packedParts(of weight: Weight) -> [any SharedBytes] { [] }

    /// Refuses.
    ///
    /// - Throws: `TensorError`.
    public func makeWeight(
        _ format: WeightFormat, outputs: Int, inputs: Int, packed parts: [SharedPart]
    ) throws -> Weight {
        throw TensorError("packed weight: the device \(name) keeps none; pack it again")
    }
}

extension Backend {
    /// A matrix of values, row after row.
    ///
    /// - Throws: `TensorError` when the device has no memory for it.
    public func makeMatrix(_ values: [Float], rows: Int, columns: Int) throws -> Matrix {
        let matrix = try makeMatrix(rows: rows, columns: columns)
        upload(values, to: matrix)
        return matrix
    }

    /// Reads scores.
    ///
    /// - Throws: `TensorError` when the device has failed.
    public func scores(in matrix: Matrix) throws -> [HeadScore] {
        precondition(matrix.columns == HeadScore.width, "no scores")
        let values = try download(matrix)
        return stride(from: 0, to: values.count, by: HeadScore.width).map {
            HeadScore(logProb: values[$0], entropy: values[$0 + 1], logSumExp: values[$0 + 2])
        }
    }
}
