internal import ApusTensor
internal import CCUDA

/// A piece of a card's memory.
///
/// `@unchecked Sendable`: as `Storage`.
final class CUDAStorage: Storage, @unchecked Sendable {
    let address: CUdeviceptr
    private let bytes: Int
    private let use: DeviceMemoryUse
    private let memory: DeviceMemory

    /// Room for numbers of four bytes.
    init(count: Int, for use: DeviceMemoryUse = .work, in memory: DeviceMemory) throws(TensorError) {
        bytes = 4 * count
        self.use = use
        address = try memory.allocate(bytes, for: use)
        self.memory = memory
        super.init(count: count)
    }

    deinit { memory.release(address, bytes, of: use) }
}

extension Storage {
    /// As this backend made it.
    var cuda: CUDAStorage { ownHandle(self) }
}
