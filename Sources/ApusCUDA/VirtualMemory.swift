internal import ApusTensor
internal import CCUDA

/// A card's memory as the driver gives it: addresses cost nothing, and memory is mapped at them in granules.
///
/// `@unchecked Sendable`: nothing in it changes; the driver's struct in it has no such mark.
struct VirtualMemory: @unchecked Sendable {
    /// Memory is mapped in multiples of this, in bytes.
    let granularity: Int
    private let context: CUDAContext
    private let location: CUmemLocation
    private let work: LaunchQueue

    /// - Throws: `TensorError` for a card without virtual memory.
    init(_ context: CUDAContext, _ work: LaunchQueue) throws(TensorError) {
        self.context = context
        self.work = work
        location = CUmemLocation(type: UInt32(CU_MEM_LOCATION_TYPE_DEVICE), id: context.device.handle)
        guard context.device.hasVirtualMemory else {
            throw TensorError(
                "CUDA: \(context.device.name) maps no memory at addresses, as some shared cards; use a whole card, or "
                    + "the device cpu")
        }
        var (properties, granularity) = (Self.properties(location), 0)
        try context.call("asking for the grain of memory") {
            $0.cuMemGetAllocationGranularity(
                &granularity, &properties, CUmemAllocationGranularity_flags(CU_MEM_ALLOC_GRANULARITY_MINIMUM))
        }
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

    /// Addresses for so many granules.
    func reserve(_ bytes: Int) throws(TensorError) -> CUdeviceptr {
        var address: CUdeviceptr = 0
        try context.call("reserving addresses for \(bytes / 1_048_576) MiB") {
            $0.cuMemAddressReserve(&address, bytes, 0, 0, 0)
        }
        return address
    }

    /// Gives addresses back, at which nothing is mapped any more.
    func free(_ address: CUdeviceptr, _ bytes: Int) { context.release { $0.cuMemAddressFree(address, bytes) } }

    /// Puts memory at some granules' addresses; nil when the card has none left.
    func map(_ address: CUdeviceptr, _ bytes: Int) throws(TensorError) -> CUmemGenericAllocationHandle? {
        guard let memory = try create(bytes) else { return nil }
        do throws(TensorError) {
            try context.call("mapping memory") { $0.cuMemMap(address, bytes, 0, memory, 0) }
        } catch {
            context.release { $0.cuMemRelease(memory) }
            throw error
        }
        var access = CUmemAccessDesc(location: location, flags: UInt32(CU_MEM_ACCESS_FLAGS_PROT_READWRITE))
        do throws(TensorError) {
            try context.call("opening memory") { $0.cuMemSetAccess(address, bytes, &access, 1) }
        } catch {
            unmap(address, bytes, memory)
            throw error
        }
        return memory
    }

    private func create(_ bytes: Int) throws(TensorError) -> CUmemGenericAllocationHandle? {
        var (properties, memory) = (Self.properties(location), CUmemGenericAllocationHandle())
        var isFull = false
        try context.call("taking \(bytes / 1_048_576) MiB of the card's memory") { driver in
            let code = driver.cuMemCreate(&memory, bytes, &properties, 0)
            isFull = Int(code) == CUDA_ERROR_OUT_OF_MEMORY
            return isFull ? CUresult(CUDA_SUCCESS) : code
        }
        return isFull ? nil : memory
    }

    /// Takes that memory away; no work that uses it may be under way.
    func unmap(_ address: CUdeviceptr, _ bytes: Int, _ memory: CUmemGenericAllocationHandle) {
        context.release { $0.cuMemUnmap(address, bytes) }
        context.release { $0.cuMemRelease(memory) }
    }

    /// Waits until no work uses any memory, that which is still gathered included. What goes wrong there is told by the next
    /// read.
    func finish() { work.drain() }

    /// Bytes that the card has left, for whichever process.
    var freeBytes: Int {
        var (free, total) = (0, 0)
        context.release { $0.cuMemGetInfo_v2(&free, &total) }
        return free
    }
}
