internal import ApusTensor
internal import Foundation
internal import Synchronization

/// A stretch of memory in large pages, from which storages that will be filled take pieces one after the other.
///
/// A large page lies in one mapping: a weight smaller than it, mapped on its own, would get small pages, each of which is
/// another entry of the translation buffer and stops the processor from reading ahead.
///
/// `@unchecked Sendable`: `used` is touched only under the lock of `current`.
final class LargePages: @unchecked Sendable {
    /// Pages that are never touched take no memory.
    private static let byteCount = 64 << 20
    private static let pageBytes = 2 << 20
    /// What a piece begins at: a cache line, as kernels take for granted.
    private static let alignment = 64

    /// The stretch that has room left. The pieces keep it, so that it goes with the last of them.
    private static let current = Mutex<Current>(Current())

    private struct Current {
        weak var pages: LargePages?
    }

    private let mapped: UnsafeMutableRawPointer
    private let base: UnsafeMutableRawPointer
    private var used = 0

    private init() throws(TensorError) {
        mapped = try CPUStorage.map(Self.byteCount + Self.pageBytes)
        let address = (Int(bitPattern: mapped) + Self.pageBytes - 1) / Self.pageBytes * Self.pageBytes
        base = mapped + (address - Int(bitPattern: mapped))
        madvise(base, Self.byteCount, MADV_HUGEPAGE)
    }

    deinit { munmap(mapped, Self.byteCount + Self.pageBytes) }

    /// A piece of zeros; nil where it is so large that it can be a mapping of its own.
    ///
    /// - Returns: where it begins, and what must be kept as long as it is used.
    /// - Throws: `TensorError` when the system has no room.
    static func take(_ byteCount: Int) throws(TensorError) -> (base: UnsafeMutableRawPointer, owner: LargePages)? {
        guard byteCount <= Self.byteCount / 2 else { return nil }
        return try current.withLock { current throws(TensorError) in
            if let pages = current.pages, let base = pages.take(byteCount) { return (base, pages) }
            let pages = try LargePages()
            current.pages = pages
            return pages.take(byteCount).map { ($0, pages) }
        }
    }

    private func take(_ byteCount: Int) -> UnsafeMutableRawPointer? {
        let begin = (used + Self.alignment - 1) / Self.alignment * Self.alignment
        guard begin + byteCount <= Self.byteCount else { return nil }
        used = begin + byteCount
        return base + begin
    }
}
