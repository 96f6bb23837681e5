internal import ApusTensor
internal import CCUDA
internal import Synchronization

/// A card's memory, cut from large blocks: the driver takes a hundred times as long for a piece, and waits for all work.
///
/// A piece that is given back may be given out at once: all work on it is in one stream, so that what comes later waits for
/// what came before.
///
/// `@unchecked Sendable`: everything that changes is behind a mutex; the driver may be called from any thread.
final class DeviceMemory: @unchecked Sendable {
    /// Whole lines of every cache, and what vector loads ask for.
    private static let alignment = 256
    /// What the driver is asked for at a time, at the least.
    private static let blockBytes = 64 << 20

    private struct State {
        /// Free pieces by their first addresses, in order, none beside another.
        var free: [(address: CUdeviceptr, bytes: Int)] = []
        var blocks: [CUdeviceptr] = []
        var reserved = 0
        var used = 0
    }

    private let state = Mutex(State())
    private let driver: CUDADriver
    private let context: CUcontext
    /// Bytes that may be asked of the driver.
    let limit: Int

    init(_ driver: CUDADriver, context: CUcontext, limit: Int) {
        self.driver = driver
        self.context = context
        self.limit = limit
    }

    deinit {
        _ = driver.functions.cuCtxSetCurrent(context)
        for block in state.withLock({ $0.blocks }) { _ = driver.functions.cuMemFree_v2(block) }
    }

    /// Bytes in use.
    var used: Int { state.withLock { $0.used } }

    /// Gives out a piece.
    ///
    /// - Throws: `TensorError` when the card or the limit has no room for it.
    func allocate(_ bytes: Int) throws(TensorError) -> CUdeviceptr {
        let bytes = Self.rounded(bytes)
        return try state.withLock { (state) throws(TensorError) in
            if let address = Self.take(bytes, &state) { return address }
            try grow(bytes, &state)
            guard let address = Self.take(bytes, &state) else { preconditionFailure("grown by as much") }
            return address
        }
    }

    /// Takes a piece back.
    func release(_ address: CUdeviceptr, _ bytes: Int) {
        let bytes = Self.rounded(bytes)
        state.withLock { state in
            state.used -= bytes
            Self.give(address, bytes, &state)
        }
    }

    private static func rounded(_ bytes: Int) -> Int { max(1, (bytes + alignment - 1) / alignment) * alignment }

    /// The first free piece that is large enough.
    private static func take(_ bytes: Int, _ state: inout State) -> CUdeviceptr? {
        guard let index = state.free.firstIndex(where: { $0.bytes >= bytes }) else { return nil }
        let address = state.free[index].address
        state.free[index].address += CUdeviceptr(bytes)
        state.free[index].bytes -= bytes
        if state.free[index].bytes == 0 { state.free.remove(at: index) }
        state.used += bytes
        return address
    }

    private static func give(_ address: CUdeviceptr, _ bytes: Int, _ state: inout State) {
        var (begin, end) = (0, state.free.count)
        while begin < end {
            let middle = (begin + end) / 2
            if state.free[middle].address < address { begin = middle + 1 } else { end = middle }
        }
        state.free.insert((address, bytes), at: begin)
        if begin + 1 < state.free.count, address + CUdeviceptr(bytes) == state.free[begin + 1].address {
            state.free[begin].bytes += state.free[begin + 1].bytes
            state.free.remove(at: begin + 1)
        }
        if begin > 0, state.free[begin - 1].address + CUdeviceptr(state.free[begin - 1].bytes) == address {
            state.free[begin - 1].bytes += state.free[begin].bytes
            state.free.remove(at: begin)
        }
    }

    private func grow(_ bytes: Int, _ state: inout State) throws(TensorError) {
        let wanted = max(bytes, min(Self.blockBytes, limit - state.reserved))
        guard state.reserved + wanted <= limit else {
            throw TensorError(
                "CUDA: wanted \(bytes / 1_048_576) MiB of the card's memory, found \((limit - state.reserved) / 1_048_576) "
                    + "of \(limit / 1_048_576) MiB left; use a smaller batch or model, or the device cpu")
        }
        try driver.check(driver.functions.cuCtxSetCurrent(context), "using the card")
        var address: CUdeviceptr = 0
        try driver.check(
            driver.functions.cuMemAlloc_v2(&address, wanted), "taking \(wanted / 1_048_576) MiB of the card's memory")
        state.blocks.append(address)
        state.reserved += wanted
        Self.give(address, wanted, &state)
    }
}

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
