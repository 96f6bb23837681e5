internal import ApusTensor
internal import CKernels

/// For each thread: some rows of hidden states, and the logits of one tile of the vocabulary for them.
final class HeadBuffer {
    let hidden: ProductRows
    let logits: ProductRows
    private let inputs: Int
    private let forms: [RowForm]
    /// What they lie in.
    private let memory: [CPUStorage]

    init(_ head: CPUWeight) throws(TensorError) {
        var memory: [CPUStorage] = []
        func room(_ width: Int, _ form: RowForm) throws(TensorError) -> ProductRows {
            let rows = CPUBackend.headRows
            let values = try CPUStorage(count: rows * width)
            memory.append(values)
            let matrix = Matrix(storage: values, rows: rows, columns: width)
            guard form.rounds else { return ProductRows(matrix, rounded: nil) }
            let storage = try CPUStorage(count: RoundedRows.floats(rows: rows, depth: width))
            memory.append(storage)
            return ProductRows(matrix, rounded: RoundedRows(storage, rows: rows, depth: width, form: form))
        }
        hidden = try room(head.inputs, head.inputForm)
        logits = try room(CPUBackend.tile, head.outputForm)
        inputs = head.inputs
        forms = [head.inputForm, head.outputForm]
        self.memory = memory
    }

    /// Whether rows go through that head here.
    func fits(_ head: CPUWeight) -> Bool { inputs == head.inputs && forms == [head.inputForm, head.outputForm] }
}

/// A matrix of scores by rows. Each task writes those of its own rows.
struct ScoreRows {
    private let base: UnsafeMutablePointer<HeadScore>

    init(_ matrix: Matrix, count: Int) {
        precondition(matrix.rows == count && matrix.columns == HeadScore.width, "a score a target")
        // Three floats side by side, as the matrix has them.
        base = UnsafeMutableRawPointer(matrix.pointer).assumingMemoryBound(to: HeadScore.self)
    }

    subscript(row: Int) -> HeadScore {
        get { base[row] }
        nonmutating _modify { yield &base[row] }
        nonmutating set { base[row] = newValue }
    }
}

/// What turns rows of logits into gradients of the head's products.
struct LogitGradient {
    private let kernel: apus_head_kernels
    private let scores: ScoreRows
    private let gradients: UnsafeMutablePointer<Float>
    private let head: OutputHead
    private let inverseTemperature: Float

    init(
        _ backend: CPUBackend, _ scores: Matrix, _ gradients: Matrix, count: Int, _ head: OutputHead,
        _ temperature: Float
    ) {
        precondition(
            gradients.rows == count && gradients.columns == HeadScore.gradientWidth, "two gradients a target")
        kernel = backend.kernels.head
        self.scores = ScoreRows(scores, count: count)
        self.gradients = gradients.pointer
        self.head = head
        inverseTemperature = 1 / temperature
    }

    /// Some logits of a row; `target` counts from the first of them.
    func replace(_ logits: UnsafeMutablePointer<Float>, _ count: Int, target: Int, row: Int) {
        let score = scores[row]
        let gradient = gradients + row * HeadScore.gradientWidth
        kernel.gradient(
            logits, Int32(count), inverseTemperature, score.logSumExp, score.entropy, Int32(target), gradient[0],
            gradient[1], head.scale, head.softCap ?? 0)
    }
}

/// Lets threads write disjoint elements of one buffer.
///
/// `@unchecked Sendable`: each task writes only the elements of its own rows.
struct UncheckedBuffer<Element>: @unchecked Sendable {
    let buffer: UnsafeMutableBufferPointer<Element>

    init(_ buffer: UnsafeMutableBufferPointer<Element>) { self.buffer = buffer }
}
