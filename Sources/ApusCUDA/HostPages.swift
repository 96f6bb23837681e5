internal import ApusTensor
internal import CCUDA
internal import Foundation

/// Pages in pinned memory of the host, which kernels reach at the host's addresses. Addresses are reserved, and memory is pinned
/// unit by unit when pages are filled; it stays pinned as long as the pages live.
///
/// `@unchecked Sendable`: the numeric core that fills pages is owned by one thread at a time.
final class HostPages: CUDAPages, @unchecked Sendable {
    private let pageBytes: Int
    private var isFilled: [Bool]
    private var units: AddressRange<Void>
    private let start: UnsafeMutableRawPointer
    private let context: CUDAContext
    private let work: LaunchQueue

    /// Pinning takes some milliseconds for each of these.
    private static let unitBytes = 16 << 20

    /// - Throws: `TensorError` when the system has no addresses.
    init(_ count: Int, of pageBytes: Int, _ context: CUDAContext, _ work: LaunchQueue) throws(TensorError) {
        self.pageBytes = pageBytes
        self.context = context
        self.work = work
        let granule = max(Int(sysconf(Int32(_SC_PAGESIZE))), 1)
        let bytes = max(1, (count * pageBytes + granule - 1) / granule) * granule
        // Nothing can be touched before it is pinned.
        let mapped = mmap(nil, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let mapped, mapped != MAP_FAILED else {
            throw TensorError(
                "memory: wanted addresses for \(bytes / 1_048_576) MiB of main memory, the system refused; "
                    + "keep fewer rows")
        }
        start = mapped
        isFilled = Array(repeating: false, count: count)
        units = AddressRange(
            base: CUdeviceptr(UInt(bitPattern: mapped)), bytes: bytes, unitBytes: Self.unitBytes)
    }

    deinit {
        work.drain()
        _ = units.take(emptyOnes: nil) { place, _ in
            context.release { $0.cuMemHostUnregister(start + place.lowerBound) }
        }
        munmap(start, units.bytes)
    }

    var base: CUdeviceptr { units.base }
    var empty: Int { .max }

    func fill(_ page: Int) throws(TensorError) {
        guard !isFilled[page] else { return }
        let place = page * pageBytes..<(page + 1) * pageBytes
        while let (unit, place) = units.missing(in: place) {
            try pin(place)
            units.set(unit, ())
        }
        _ = units.enter(place)
        isFilled[page] = true
    }

    private func pin(_ place: Range<Int>) throws(TensorError) {
        let unit = start + place.lowerBound
        var isRefused = mprotect(unit, place.count, PROT_READ | PROT_WRITE) != 0
        if !isRefused {
            try context.call("pinning main memory for kept rows") { driver in
                let code = driver.cuMemHostRegister_v2(
                    unit, place.count, UInt32(CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP))
                isRefused = Int(code) == CUDA_ERROR_OUT_OF_MEMORY
                return isRefused ? CUresult(CUDA_SUCCESS) : code
            }
        }
        guard isRefused else { return }
        throw TensorError(
            "memory: wanted \(place.count / 1_048_576) MiB more of main memory for kept rows, the system refused; free some "
                + "of it, or keep layer inputs on the card (gradient_checkpointing: true)")
    }

    func discard(_ page: Int) {
        guard isFilled[page] else { return }
        _ = units.leave(page * pageBytes..<(page + 1) * pageBytes)
        isFilled[page] = false
    }
}
