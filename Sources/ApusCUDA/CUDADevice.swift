public import ApusTensor
internal import CCUDA

/// A card.
public struct CUDADevice: Sendable, Equatable {
    /// Its number, from 0.
    public let ordinal: Int
    /// Such as "NVIDIA GeForce RTX 4090".
    public let name: String
    /// Compute capability, such as 89 for 8.9.
    public let architecture: Int
    /// Bytes of memory.
    public let memory: Int
    /// Shared memory that a block may ask for, in bytes.
    let sharedMemory: Int
    /// Streaming multiprocessors: how many blocks run at a time, at the least.
    let multiprocessors: Int
    /// Whether memory can be mapped at addresses.
    let hasVirtualMemory: Bool
    /// Whether kernels reach pinned memory of the host at the host's own addresses.
    let sharesHostAddresses: Bool
    let handle: CUdevice

    /// The oldest cards with bf16 on their tensor cores.
    static let leastArchitecture = 80

    /// All cards.
    ///
    /// - Throws: `TensorError` without a driver, or without a card.
    public static func all() throws(TensorError) -> [CUDADevice] { try all(CUDADriver.open()) }

    static func all(_ driver: CUDADriver) throws(TensorError) -> [CUDADevice] {
        try driver.check(driver.functions.cuInit(0), "starting the driver")
        var count: Int32 = 0
        try driver.check(driver.functions.cuDeviceGetCount(&count), "counting cards")
        var devices: [CUDADevice] = []
        for ordinal in 0..<count { devices.append(try CUDADevice(driver, ordinal)) }
        return devices
    }

    /// A card that the kernels can run on.
    ///
    /// - Parameter ordinal: which one; nil for the first.
    static func choose(_ ordinal: Int?, _ driver: CUDADriver) throws(TensorError) -> CUDADevice {
        let devices = try all(driver)
        if ordinal == nil, let device = devices.first(where: { $0.obstacle == nil }) { return device }
        guard devices.indices.contains(ordinal ?? 0) else {
            throw TensorError(
                "CUDA: wanted card \(ordinal ?? 0), found \(devices.count) cards; choose another, or the device cpu")
        }
        let device = devices[ordinal ?? 0]
        if let obstacle = device.obstacle { throw obstacle }
        return device
    }

    private init(_ driver: CUDADriver, _ ordinal: Int32) throws(TensorError) {
        let functions = driver.functions
        var handle: CUdevice = 0
        try driver.check(functions.cuDeviceGet(&handle, ordinal), "card \(ordinal)")
        var name = [CChar](repeating: 0, count: 256)
        try driver.check(functions.cuDeviceGetName(&name, Int32(name.count), handle), "name of card \(ordinal)")
        var memory = 0
        try driver.check(functions.cuDeviceTotalMem_v2(&memory, handle), "memory of card \(ordinal)")
        func attribute(_ number: Int) throws(TensorError) -> Int {
            var value: Int32 = 0
            try driver.check(
                functions.cuDeviceGetAttribute(&value, CUdevice_attribute(number), handle), "facts of card \(ordinal)")
            return Int(value)
        }
        architecture =
            10 * (try attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR))
            + (try attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR))
        multiprocessors = try attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)
        sharedMemory = try attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)
        hasVirtualMemory = try attribute(CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED) != 0
        sharesHostAddresses = try attribute(CU_DEVICE_ATTRIBUTE_CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM) != 0
        self.name = name.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
        self.memory = memory
        self.handle = handle
        self.ordinal = Int(ordinal)
    }

    /// Why the kernels cannot run on it; nil where they can.
    public var obstacle: TensorError? {
        guard architecture < Self.leastArchitecture else { return nil }
        return TensorError(
            "CUDA: \(name) has compute capability \(architecture / 10).\(architecture % 10), wanted 8.0 or later "
                + "(Ampere, 2020); use the device cpu")
    }
}
