/// A row-major fp32 matrix of a device: a view of consecutive rows in a storage. The host sees its shape; its values go
/// through the backend.
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

    /// Number of values.
    public var count: Int { rows * columns }

    /// The view of some of the rows.
    public func rows(_ range: Range<Int>) -> Matrix {
        Matrix(storage: storage, offset: offset + range.lowerBound * columns, rows: range.count, columns: columns)
    }

    /// The same memory seen with another shape that is no larger.
    public func reshaped(rows: Int, columns: Int) -> Matrix {
        precondition(rows * columns <= self.rows * self.columns, "view larger than its matrix")
        return Matrix(storage: storage, offset: offset, rows: rows, columns: columns)
    }
}
