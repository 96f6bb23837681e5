internal import ApusTensor
internal import CCUDA

/// A piece of a card's memory.
///
/// `@unchecked Sendable`: as `Storage`.
final class CUDAStorage: Storage, @unchecked Sendable {
    let address: CUdeviceptr
    private let bytes: Int
    private let memory: DeviceMemory

    /// Room for numbers of four bytes.
    init(count: Int, in memory: DeviceMemory) throws(TensorError) {
        bytes = 4 * count
        address = try memory.allocate(bytes)
        self.memory = memory
        super.init(count: count)
    }

    deinit { memory.release(address, bytes) }
}

extension Storage {
    /// As this backend made it.
    var cuda: CUDAStorage { ownHandle(self) }
}

/// Pages of equal size, one after another at a card's addresses; each has memory from when it is filled.
///
/// `@unchecked Sendable`: the numeric core that fills pages is owned by one thread at a time.
final class CUDAPages: @unchecked Sendable {
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

    /// A page is going to be written.
    ///
    /// - Throws: `TensorError` when the card has no memory for it.
    func fill(_ page: Int) throws(TensorError) {
        guard !isFilled[page] else { return }
        try memory.enter(place(page), of: range)
        isFilled[page] = true
        // Right where the memory was there; where it was not, the range has changed.
        counted?.empty -= 1
    }

    /// What a page holds is not needed any more.
    func discard(_ page: Int) {
        guard isFilled[page] else { return }
        memory.leave(place(page), of: range)
        isFilled[page] = false
        counted?.empty += 1
    }

    /// Pages that hold nothing and have memory.
    var empty: Int {
        let changes = memory.changes(of: range)
        if let counted, counted.changes == changes { return counted.empty }
        let empty = memory.count(isFilled.indices.lazy.filter { !self.isFilled[$0] }.map(place), withMemoryOf: range)
        counted = (empty, changes)
        return empty
    }
}
