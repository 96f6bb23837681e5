internal import ApusTensor
internal import CCUDA

/// A kernel by its symbol.
struct KernelName: Hashable {
    let symbol: String

    init(_ symbol: String) { self.symbol = symbol }
}

/// What a kernel is called with, in cells of eight bytes: one, or for a structure as many as it has.
enum KernelArgument {
    case pointer(CUdeviceptr?)
    case integer(Int)
    case float(Float)
    case double(Double)
    case long(Int)
    case structure(KernelStructure)

    func append(to cells: inout [UInt64]) {
        switch self {
        case .pointer(let address): cells.append(address ?? 0)
        case .integer(let value): cells.append(UInt64(UInt32(bitPattern: Int32(clamping: value))))
        case .float(let value): cells.append(UInt64(value.bitPattern))
        case .double(let value): cells.append(value.bitPattern)
        case .long(let value): cells.append(UInt64(bitPattern: Int64(value)))
        case .structure(let structure): cells += structure.cells
        }
    }
}

/// A structure of C whose members are pointers and pairs of integers; an integer alone has a pair's room.
struct KernelStructure {
    private(set) var cells: [UInt64] = []

    mutating func append(_ pointer: CUdeviceptr?) { cells.append(pointer ?? 0) }

    mutating func append(_ first: Int, _ second: Int = 0) {
        let bits = [first, second].map { UInt64(UInt32(bitPattern: Int32(clamping: $0))) }
        cells.append(bits[0] | bits[1] << 32)
    }

    mutating func append(_ other: KernelStructure) { cells += other.cells }

    /// The same with zeros up to so many cells.
    func padded(to count: Int) -> KernelStructure {
        precondition(cells.count <= count, "more than the structure has")
        return KernelStructure(cells: cells + [UInt64](repeating: 0, count: count - cells.count))
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
    private let context: CUDAContext
    private var functions: [KernelName: CUfunction] = [:]
    /// The dynamic shared memory that each kernel may have by now.
    private var sharedBytes: [KernelName: Int] = [:]

    /// Shared memory that needs no permission.
    private static let freeSharedBytes = 48 << 10

    init(_ module: CUmodule, _ context: CUDAContext) {
        self.module = module
        self.context = context
    }

    /// A kernel that may have so much dynamic shared memory.
    mutating func function(_ name: KernelName, sharedBytes wanted: Int) throws(TensorError) -> CUfunction {
        let function = try function(name)
        if wanted > sharedBytes[name] ?? Self.freeSharedBytes {
            try context.call("\(wanted) bytes of shared memory for \(name.symbol)") {
                $0.cuFuncSetAttribute(
                    function, CUfunction_attribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES), Int32(wanted))
            }
            sharedBytes[name] = wanted
        }
        return function
    }

    private mutating func function(_ name: KernelName) throws(TensorError) -> CUfunction {
        if let function = functions[name] { return function }
        var found: CUfunction?
        try context.call("kernel \(name.symbol)") { $0.cuModuleGetFunction(&found, module, name.symbol) }
        guard let found else { preconditionFailure("found without an error") }
        functions[name] = found
        return found
    }
}
