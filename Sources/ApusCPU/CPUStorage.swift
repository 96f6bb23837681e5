package import ApusTensor
internal import Foundation

/// Main memory for fp32 values, 64-byte aligned: zero when made, where pages that are never touched cost nothing.
///
/// `@unchecked Sendable`: the numeric core is owned by one thread at a time and kernels split it into disjoint ranges.
package final class CPUStorage: Storage, SharedBytes, @unchecked Sendable {
    /// The first value.
    package let base: UnsafeMutablePointer<Float>
    private let byteCount: Int
    /// What the memory is a piece of; nil for a mapping of its own.
    private let owner: LargePages?

    /// Reserves room for `count` values.
    ///
    /// - Parameter isFilled: whether all of it will be written. It is then given in large pages however small it is.
    /// - Throws: `TensorError` when the system has no such room.
    package init(count: Int, isFilled: Bool = false) throws(TensorError) {
        byteCount = max(count, 1) * MemoryLayout<Float>.stride
        let start: UnsafeMutableRawPointer
        if isFilled, let piece = try LargePages.take(byteCount) {
            (start, owner) = piece
        } else {
            start = try Self.map(byteCount)
            owner = nil
            // Products walk down columns of rows: with 4-KiB pages each row is another entry of the translation buffer.
            if byteCount >= Self.hugeBytes { madvise(start, byteCount, MADV_HUGEPAGE) }
        }
        base = start.assumingMemoryBound(to: Float.self)
        super.init(count: count)
    }

    /// A copy of values that lie elsewhere, in a file for example, whose pages are small and are whoever's who writes to it;
    /// what is wrong with them is found here.
    ///
    /// - Throws: `TensorError` when there is no such part, or it holds another number of values, or without memory.
    package convenience init(copying part: SharedPart, count: Int) throws(TensorError) {
        try self.init(count: count, isFilled: true)
        let isCopied = part.bytes.withBytes { bytes in
            guard part.range.lowerBound >= 0, part.range.upperBound <= bytes.count, let from = bytes.baseAddress,
                part.range.count == count * MemoryLayout<Float>.stride
            else { return false }
            UnsafeMutableRawPointer(base).copyMemory(from: from + part.range.lowerBound, byteCount: part.range.count)
            return true
        }
        guard isCopied else {
            throw TensorError(
                "packed weight: wanted \(count * MemoryLayout<Float>.stride) bytes, found other ones; pack it again")
        }
        part.bytes.release(part.range)
    }

    /// Memory from this size on is asked for in large pages.
    private static let hugeBytes = 4 << 20

    /// A mapping of zeros.
    ///
    /// - Throws: `TensorError` when the system has no such room.
    static func map(_ byteCount: Int) throws(TensorError) -> UnsafeMutableRawPointer {
        // Reservations are larger than what is touched: the kernel shall not hold room for all of them.
        let mapped = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let mapped, mapped != MAP_FAILED else {
            throw TensorError(
                "memory: wanted \(byteCount / 1_048_576) MiB, the system refused; use a smaller batch or model")
        }
        return mapped
    }

    /// Lends the bytes for reading.
    package func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try body(UnsafeRawBufferPointer(start: base, count: count * MemoryLayout<Float>.stride))
    }

    deinit {
        guard owner != nil else {
            munmap(base, byteCount)
            return
        }
        // The other pieces may live on for long: what lies wholly inside this one goes now.
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let begin = (Int(bitPattern: base) + page - 1) / page * page
        let end = (Int(bitPattern: base) + byteCount) / page * page
        if begin < end { madvise(UnsafeMutableRawPointer(bitPattern: begin), end - begin, MADV_DONTNEED) }
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
