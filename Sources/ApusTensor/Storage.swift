internal import Foundation
internal import Synchronization

/// Memory for fp32 values, 64-byte aligned: zero when made, where pages that are never touched cost nothing; or part of a
/// file, read-only.
///
/// `@unchecked Sendable`: the numeric core is owned by one thread at a time and kernels split it into disjoint ranges.
public final class Storage: @unchecked Sendable {
    /// Number of fp32 values.
    public let count: Int
    let base: UnsafeMutablePointer<Float>
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
    public init(count: Int, isFilled: Bool = false) throws(TensorError) {
        self.count = count
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
    }

    /// Values that lie in a file and are only read; what is wrong with them is found here.
    ///
    /// - Throws: `TensorError` when there is no such part, or it holds another number of values or is not aligned.
    public init(_ part: SharedPart, count: Int) throws(TensorError) {
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
        self.count = count
        base = found.assumingMemoryBound(to: Float.self)
        owner = part.bytes
        Self.shared.add(byteCount, ordering: .relaxed)
    }

    /// Memory from this size on is asked for in large pages.
    private static let hugeBytes = 4 << 20
    /// What kernels may take for granted, in bytes.
    private static let alignment = 64
    private static let shared = Atomic<Int>(0)

    /// Bytes of all storages that lie in files. The system counts them as the files' and not as the process's, though they
    /// are read all the time.
    public static var sharedBytes: Int { shared.load(ordering: .relaxed) }

    /// Lends the bytes for reading.
    public func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try body(UnsafeRawBufferPointer(start: base, count: count * MemoryLayout<Float>.stride))
    }

    deinit {
        if owner == nil {
            munmap(base, byteCount)
        } else {
            Self.shared.subtract(byteCount, ordering: .relaxed)
        }
    }
}

/// Read-only bytes that stay where they are as long as the object lives, such as a mapped file.
public protocol SharedBytes: AnyObject, Sendable {
    /// Lends all bytes; the address is the same in every call.
    func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R
}

/// A part of such bytes.
public struct SharedPart: Sendable {
    /// What it is a part of.
    public let bytes: any SharedBytes
    /// Where it lies.
    public let range: Range<Int>

    /// Names a part; whether it exists is looked at when it is used.
    public init(of bytes: any SharedBytes, range: Range<Int>) {
        self.bytes = bytes
        self.range = range
    }
}
