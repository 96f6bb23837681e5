internal import ApusTensor
internal import CCUDA

/// Pages of equal size, one after another; each has memory from when it is filled.
protocol CUDAPages: AnyObject, Sendable {
    /// Where the first one lies, as kernels see it.
    var base: CUdeviceptr { get }
    /// Pages that hold nothing and have memory; all, where the card's is not concerned.
    var empty: Int { get }

    /// A page is going to be written.
    ///
    /// - Throws: `TensorError` when there is no memory for it.
    func fill(_ page: Int) throws(TensorError)
    /// What a page holds is not needed any more.
    func discard(_ page: Int)
}

/// Pages on the card.
///
/// `@unchecked Sendable`: the numeric core that fills pages is owned by one thread at a time.
final class CardPages: CUDAPages, @unchecked Sendable {
    let base: CUdeviceptr
    private let pageBytes: Int
    private var isFilled: [Bool]
    /// Empty pages whose memory is there, as of a number of the range's changes.
    private var counted: (empty: Int, changes: Int)?
    private let range: DeviceMemory.RangeID
    private let memory: DeviceMemory

    init(_ count: Int, of pageBytes: Int, in memory: DeviceMemory) throws(TensorError) {
        self.pageBytes = pageBytes
        self.memory = memory
        isFilled = Array(repeating: false, count: count)
        (range, base) = try memory.reserve(count * pageBytes)
    }

    deinit { memory.release(range, used: isFilled.indices.filter { isFilled[$0] }.map(place)) }

    private func place(_ page: Int) -> Range<Int> { page * pageBytes..<(page + 1) * pageBytes }

    func fill(_ page: Int) throws(TensorError) {
        guard !isFilled[page] else { return }
        try memory.enter(place(page), of: range)
        isFilled[page] = true
        // Right where the memory was there; where it was not, the range has changed.
        counted?.empty -= 1
    }

    func discard(_ page: Int) {
        guard isFilled[page] else { return }
        memory.leave(place(page), of: range)
        isFilled[page] = false
        counted?.empty += 1
    }

    var empty: Int {
        let changes = memory.changes(of: range)
        if let counted, counted.changes == changes { return counted.empty }
        let empty = memory.count(isFilled.indices.lazy.filter { !self.isFilled[$0] }.map(place), withMemoryOf: range)
        counted = (empty, changes)
        return empty
    }
}
