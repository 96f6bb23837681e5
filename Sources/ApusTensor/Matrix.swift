internal import Foundation

/// Memory for fp32 values, 64-byte aligned and zero when made; pages that are never touched cost nothing.
///
/// `@unchecked Sendable`: the numeric core is owned by one thread at a time and kernels split it into disjoint ranges.
public final class Storage: @unchecked Sendable {
    /// Number of fp32 values.
    public let count: Int
    let base: UnsafeMutablePointer<Float>
    private let byteCount: Int
    // Reservations are larger than what is touched: the kernel shall not hold room for all of them.
    private static let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE

    /// Reserves room for `count` values.
    ///
    /// - Throws: `TensorError` when the system has no such room.
    public init(count: Int) throws(TensorError) {
        self.count = count
        byteCount = max(count, 1) * MemoryLayout<Float>.stride
        let mapped = mmap(nil, byteCount, PROT_READ | PROT_WRITE, Self.flags, -1, 0)
        guard let mapped, mapped != MAP_FAILED else {
            throw TensorError(
                "memory: wanted \(byteCount / 1_048_576) MiB, the system refused; use a smaller batch or model")
        }
        // Products walk down columns of rows: with 4-KiB pages each row is another entry of the translation buffer.
        if byteCount >= Self.hugeBytes { madvise(mapped, byteCount, MADV_HUGEPAGE) }
        base = mapped.assumingMemoryBound(to: Float.self)
    }

    /// Memory from this size on is asked for in large pages.
    private static let hugeBytes = 4 << 20

    deinit { munmap(base, byteCount) }
}

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
