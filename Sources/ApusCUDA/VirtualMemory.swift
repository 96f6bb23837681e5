internal import ApusTensor
internal import CCUDA

/// A card's memory as the driver gives it: addresses cost nothing, and memory is mapped at them in granules.
///
/// `@unchecked Sendable`: nothing in it changes, and the driver may be called from any thread.
struct VirtualMemory: @unchecked Sendable {
    /// Memory is mapped in multiples of this, in bytes.
    let granularity: Int
    private let driver: CUDADriver
    private let context: CUcontext
    private let location: CUmemLocation

    /// - Throws: `TensorError` for a card without virtual memory.
    init(_ driver: CUDADriver, context: CUcontext, device: CUDADevice) throws(TensorError) {
        self.driver = driver
        self.context = context
        location = CUmemLocation(type: UInt32(CU_MEM_LOCATION_TYPE_DEVICE), id: device.handle)
        guard device.hasVirtualMemory else {
            throw TensorError(
                "CUDA: \(device.name) maps no memory at addresses, as some shared cards; use a whole card, or the "
                    + "device cpu")
        }
        var properties = Self.properties(location)
        var granularity = 0
        try driver.check(
            driver.functions.cuMemGetAllocationGranularity(
                &granularity, &properties,
                CUmemAllocationGranularity_flags(CU_MEM_ALLOC_GRANULARITY_MINIMUM)),
            "asking for the grain of memory")
        self.granularity = max(granularity, 1)
    }

    private static func properties(_ location: CUmemLocation) -> CUmemAllocationProp {
        var properties = CUmemAllocationProp()
        properties.type = UInt32(CU_MEM_ALLOCATION_TYPE_PINNED)
        properties.location = location
        return properties
    }

    /// A number of bytes, rounded up to granules.
    func rounded(_ bytes: Int) -> Int { max(1, (bytes + granularity - 1) / granularity) * granularity }

    /// Makes the card the one that this thread's calls concern.
    private func enter() throws(TensorError) {
        try driver.check(driver.functions.cuCtxSetCurrent(context), "using the card")
    }

    /// Addresses for so many granules.
    func reserve(_ bytes: Int) throws(TensorError) -> CUdeviceptr {
        try enter()
        var address: CUdeviceptr = 0
        try driver.check(
            driver.functions.cuMemAddressReserve(&address, bytes, 0, 0, 0),
            "reserving addresses for \(bytes / 1_048_576) MiB")
        return address
    }

    /// Gives addresses back, at which nothing is mapped any more.
    func free(_ address: CUdeviceptr, _ bytes: Int) { _ = driver.functions.cuMemAddressFree(address, bytes) }

    /// Puts memory at some granules' addresses; nil when the card has none left.
    func map(_ address: CUdeviceptr, _ bytes: Int) throws(TensorError) -> CUmemGenericAllocationHandle? {
        try enter()
        var properties = Self.properties(location)
        var memory: CUmemGenericAllocationHandle = 0
        let code = driver.functions.cuMemCreate(&memory, bytes, &properties, 0)
        if Int(code) == CUDA_ERROR_OUT_OF_MEMORY { return nil }
        try driver.check(code, "taking \(bytes / 1_048_576) MiB of the card's memory")
        do throws(TensorError) {
            try driver.check(driver.functions.cuMemMap(address, bytes, 0, memory, 0), "mapping memory")
        } catch {
            _ = driver.functions.cuMemRelease(memory)
            throw error
        }
        var access = CUmemAccessDesc(location: location, flags: UInt32(CU_MEM_ACCESS_FLAGS_PROT_READWRITE))
        do throws(TensorError) {
            try driver.check(driver.functions.cuMemSetAccess(address, bytes, &access, 1), "opening memory")
        } catch {
            unmap(address, bytes, memory)
            throw error
        }
        return memory
    }

    /// Takes that memory away; no work that uses it may be under way.
    func unmap(_ address: CUdeviceptr, _ bytes: Int, _ memory: CUmemGenericAllocationHandle) {
        _ = driver.functions.cuMemUnmap(address, bytes)
        _ = driver.functions.cuMemRelease(memory)
    }

    /// Waits until no work uses any memory. What goes wrong there is told by the next read.
    func finish() {
        _ = driver.functions.cuCtxSetCurrent(context)
        _ = driver.functions.cuCtxSynchronize()
    }

    /// Bytes that the card has left, for whichever process.
    var freeBytes: Int {
        var (free, total) = (0, 0)
        _ = driver.functions.cuCtxSetCurrent(context)
        _ = driver.functions.cuMemGetInfo_v2(&free, &total)
        return free
    }
}
