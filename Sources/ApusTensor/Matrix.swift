/// A row-major fp32 matrix: a view of consecutive rows in a storage.
public struct Matrix: Sendable {
    /// The memory that the view lies in.
    public let storage: Storage
    /// First value of the view, in values from the start of the storage.
    public let offset: Int
    /// Number of rows.
    public let rows: Int
    /// Values in a row.
    public let columns: Int

    /// A view of `rows` x `columns` values from `offset` on.
    public init(storage: Storage, offset: Int = 0, rows: Int, columns: Int) {
        precondition(offset >= 0 && offset + rows * columns <= storage.count, "matrix outside its storage")
        self.storage = storage
        self.offset = offset
        self.rows = rows
        self.columns = columns
    }

    /// A new matrix of zeros.
    ///
    /// - Throws: `TensorError` when the system has no memory for it.
    public init(rows: Int, columns: Int) throws(TensorError) {
        self.init(storage: try Storage(count: rows * columns), rows: rows, columns: columns)
    }

    /// The view of some of the rows.
    public func rows(_ range: Range<Int>) -> Matrix {
        Matrix(storage: storage, offset: offset + range.lowerBound * columns, rows: range.count, columns: columns)
    }

    /// The same memory seen with another shape that is no larger.
    public func reshaped(rows: Int, columns: Int) -> Matrix {
        precondition(rows * columns <= self.rows * self.columns, "view larger than its matrix")
        return Matrix(storage: storage, offset: offset, rows: rows, columns: columns)
    }

    /// All values, row after row.
    public var values: [Float] {
        get { [Float](UnsafeBufferPointer(start: pointer, count: rows * columns)) }
        nonmutating set {
            precondition(newValue.count == rows * columns, "wrong number of values")
            newValue.withUnsafeBufferPointer { pointer.update(from: $0.baseAddress!, count: $0.count) }
        }
    }

    /// Sets every value to zero.
    public func clear() { pointer.update(repeating: 0, count: rows * columns) }

    /// Lends the values for reading.
    public func withValues<R>(_ body: (Span<Float>) throws -> R) rethrows -> R {
        try body(UnsafeBufferPointer(start: pointer, count: rows * columns).span)
    }

    // The only door to the memory; every kernel call goes through it with sizes taken from the same matrix.
    var pointer: UnsafeMutablePointer<Float> { storage.base + offset }
}
