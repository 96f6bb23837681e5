internal import ApusTensor
internal import CCUDA

/// A kernel by its symbol.
struct KernelName: Hashable {
    let symbol: String

    init(_ symbol: String) { self.symbol = symbol }
}

/// What a kernel is called with; each has a cell of eight bytes.
enum KernelArgument {
    case pointer(CUdeviceptr?)
    case integer(Int)
    case float(Float)
    case double(Double)
    case long(Int)

    var cell: UInt64 {
        switch self {
        case .pointer(let address): address ?? 0
        case .integer(let value): UInt64(UInt32(bitPattern: Int32(clamping: value)))
        case .float(let value): UInt64(value.bitPattern)
        case .double(let value): value.bitPattern
        case .long(let value): UInt64(bitPattern: Int64(value))
        }
    }
}

extension Matrix {
    /// Where its first value lies.
    var address: CUdeviceptr { storage.cuda.address + CUdeviceptr(4 * offset) }
    var argument: KernelArgument { .pointer(address) }
}

extension Indices {
    /// Where its first number lies.
    var address: CUdeviceptr { storage.cuda.address + CUdeviceptr(4 * range.lowerBound) }
    var argument: KernelArgument { .pointer(address) }
}

/// The functions of a module of kernels, looked up once each.
struct KernelTable {
    private let module: CUmodule
    private let driver: CUDADriver
    private var functions: [KernelName: CUfunction] = [:]
    /// The dynamic shared memory that each kernel may have by now.
    private var sharedBytes: [KernelName: Int] = [:]

    /// Shared memory that needs no permission.
    private static let freeSharedBytes = 48 << 10

    init(_ module: CUmodule, _ driver: CUDADriver) {
        self.module = module
        self.driver = driver
    }

    /// A kernel that may have so much dynamic shared memory.
    mutating func function(_ name: KernelName, sharedBytes wanted: Int) throws(TensorError) -> CUfunction {
        let function = try function(name)
        if wanted > sharedBytes[name] ?? Self.freeSharedBytes {
            try driver.check(
                driver.functions.cuFuncSetAttribute(
                    function, CUfunction_attribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES), Int32(wanted)),
                "\(wanted) bytes of shared memory for \(name.symbol)")
            sharedBytes[name] = wanted
        }
        return function
    }

    private mutating func function(_ name: KernelName) throws(TensorError) -> CUfunction {
        if let function = functions[name] { return function }
        var found: CUfunction?
        try driver.check(driver.functions.cuModuleGetFunction(&found, module, name.symbol), "kernel \(name.symbol)")
        guard let found else { preconditionFailure("found without an error") }
        functions[name] = found
        return found
    }
}
