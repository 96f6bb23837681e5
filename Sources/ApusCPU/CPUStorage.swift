package import ApusTensor
internal import Foundation

/// Main memory for fp32 values, 64-byte aligned: zero when made, where pages that are never touched cost nothing; or part of a
/// file, read-only.
///
/// `@unchecked Sendable`: the numeric core is owned by one thread at a time and kernels split it into disjoint ranges.
package final class CPUStorage: Storage, SharedBytes, @unchecked Sendable {
    /// The first value.
    package let base: UnsafeMutablePointer<Float>
    private let byteCount: Int
    /// Keeps a file in memory that the values lie in; nil for memory of its own.
    private let owner: (any SharedBytes)?
    // Reservations are larger than what is touched: the kernel shall not hold room for all of them.
    private static let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE

    /// Reserves room for `count` values.
    ///
    /// - Parameter isFilled: whether all of it will be written. It is then given in large pages however small it is: the
    ///   system joins what lies side by side, and a model has hundreds of weights.
    /// - Throws: `TensorError` when the system has no such room.
    package init(count: Int, isFilled: Bool = false) throws(TensorError) {
        byteCount = max(count, 1) * MemoryLayout<Float>.stride
        let mapped = mmap(nil, byteCount, PROT_READ | PROT_WRITE, Self.flags, -1, 0)
        guard let mapped, mapped != MAP_FAILED else {
            throw TensorError(
                "memory: wanted \(byteCount / 1_048_576) MiB, the system refused; use a smaller batch or model")
        }
        // Products walk down columns of rows: with 4-KiB pages each row is another entry of the translation buffer.
        if isFilled || byteCount >= Self.hugeBytes { madvise(mapped, byteCount, MADV_HUGEPAGE) }
        base = mapped.assumingMemoryBound(to: Float.self)
        owner = nil
        super.init(count: count)
    }

    /// Values that lie in a file and are only read; what is wrong with them is found here.
    ///
    /// - Throws: `TensorError` when there is no such part, or it holds another number of values or is not aligned.
    package init(_ part: SharedPart, count: Int) throws(TensorError) {
        byteCount = count * MemoryLayout<Float>.stride
        // The pointer outlives the closure: `SharedBytes` promises that it holds as long as the object, which is kept.
        let found: UnsafeMutableRawPointer? = part.bytes.withBytes { bytes in
            guard part.range.lowerBound >= 0, part.range.upperBound <= bytes.count, let base = bytes.baseAddress else {
                return nil
            }
            return UnsafeMutableRawPointer(mutating: base + part.range.lowerBound)
        }
        guard let found, byteCount == part.range.count, Int(bitPattern: found) % Self.alignment == 0 else {
            throw TensorError("packed weight: wanted \(byteCount) aligned bytes, found other ones; pack it again")
        }
        base = found.assumingMemoryBound(to: Float.self)
        owner = part.bytes
        super.init(count: count)
        Storage.countShared(byteCount)
    }

    /// Memory from this size on is asked for in large pages.
    private static let hugeBytes = 4 << 20
    /// What kernels may take for granted, in bytes.
    private static let alignment = 64

    /// Lends the bytes for reading.
    package func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try body(UnsafeRawBufferPointer(start: base, count: count * MemoryLayout<Float>.stride))
    }

    deinit {
        if owner == nil {
            munmap(base, byteCount)
        } else {
            Storage.countShared(-byteCount)
        }
    }
}

extension Matrix {
    /// The only door to the memory; every kernel call goes through it with sizes taken from the same matrix.
    package var pointer: UnsafeMutablePointer<Float> {
        ownHandle(storage, as: CPUStorage.self).base + offset
    }

    /// A new matrix.
    ///
    /// - Throws: `TensorError` when the system has no memory for it.
    package init(rows: Int, columns: Int) throws(TensorError) {
        self.init(storage: try CPUStorage(count: rows * columns), rows: rows, columns: columns)
    }
}
