public import ApusTensor

/// A device for tests, which proves the seam: whoever reaches around the backend, or counts on what it does not promise, fails
/// here.
///
/// Its memory is its own, so nothing but the backend can read it. Operations wait in a queue until the host reads, so what
/// was not asked for is not there. Memory that was never written holds NaN. Shapes, numbers of rows and pages, and matrices
/// that an operation writes while it reads them are looked at in every call. What it computes is the reference for other
/// devices: plain loops in fp32 over fp32 values, sums that decide a score in double.
///
/// `@unchecked Sendable`: the numeric core that calls it is owned by one thread at a time.
public final class PlainBackend: Backend, @unchecked Sendable {
    let mark = PlainMark()
    private var queue: [() -> Void] = []
    /// What the last pass that named a head made room for.
    var preparedHead: (inputs: Int, outputs: Int)?

    /// A device of its own: it takes nothing that another one made.
    public init() {}

    /// See `Backend`.
    public var name: String { "plain" }
    /// See `Backend`.
    public var arithmetic: String { "plain" }

    // MARK: Queue

    /// Puts off an operation until the host reads. What it needs is captured now.
    func enqueue(_ operation: @escaping () -> Void) { queue.append(operation) }

    /// Computes everything that was put off, in order.
    func finish() {
        let operations = queue
        queue = []
        for operation in operations { operation() }
    }

    // MARK: Memory

    /// See `Backend`.
    public var memoryLimit: Int { 2 << 30 }

    /// See `Backend`.
    public var isProcessMemory: Bool { false }

    /// See `Backend`.
    public func spareMemory(utilization: Double) -> Int { 1 << 30 }

    /// See `Backend`.
    public func makeMatrix(rows: Int, columns: Int) throws -> Matrix {
        Matrix(storage: PlainStorage(count: rows * columns, of: self), rows: rows, columns: columns)
    }

    /// See `Backend`.
    public func makeIndices(_ numbers: [Int32]) throws -> Indices {
        Indices(storage: PlainIndices(numbers, of: self))
    }

    /// See `Backend`.
    public func upload(_ values: [Float], to matrix: Matrix) {
        let to = own(matrix)
        precondition(values.count == to.count, "wanted \(to.count) values, found \(values.count)")
        enqueue {
            values.withUnsafeBufferPointer { values in
                if let base = values.baseAddress { to.base.update(from: base, count: values.count) }
            }
        }
    }

    /// See `Backend`.
    public func download(_ matrix: Matrix) -> [Float] {
        let from = own(matrix)
        finish()
        return withExtendedLifetime(from) { Array(UnsafeBufferPointer(start: from.base, count: from.count)) }
    }

    /// See `Backend`.
    public func fill(_ x: Matrix, with value: Float) {
        let x = own(x)
        enqueue { x.base.update(repeating: value, count: x.count) }
    }

    /// See `Backend`.
    public func copy(_ source: Matrix, into destination: Matrix) {
        let (from, to) = (own(source), own(destination))
        to.requireShape(of: from)
        to.requireApart(from)
        enqueue { to.base.update(from: from.base, count: from.count) }
    }

    // MARK: Sizes

    /// See `Backend`.
    public func pageBytes(_ shape: KeyValueCache.Shape) -> Int { Self.bytes(shape.layers * shape.pageValues) }

    /// See `Backend`.
    public func positionBytes(_ shape: KeptRows.Shape) -> Int { Self.bytes(shape.streams * shape.columns) }

    /// See `Backend`. Attention holds a row's scores in double, and what a completion adds to its prompt; the head a row of
    /// logits; a draw that row again, its weights and its order.
    public func scratchBytes(
        _ shape: KeyValueCache.Shape, maxContext: Int, vocabularySize: Int, hiddenSize: Int
    ) -> Int {
        Self.bytes(max(2 * maxContext + 2 * maxContext * shape.keyValueWidth, 5 * vocabularySize))
    }

    static func bytes(_ values: Int) -> Int { values * MemoryLayout<Float>.stride }
}

extension KeyValueCache.Shape {
    /// Values of a position's keys, or of its values.
    var keyValueWidth: Int { keyValueHeads * headSize }
    /// Values that a layer holds of a page.
    var pageValues: Int { 2 * KeyValueCache.pageTokens * keyValueWidth }
}
