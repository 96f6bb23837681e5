public import ApusTensor
package import CCUDA
internal import Foundation

/// An NVIDIA card: kernels of one module, on one stream.
///
/// Operations are enqueued and computed when the card gets to them. One that fails is remembered: whatever comes later does
/// nothing, and the next read throws.
///
/// `@unchecked Sendable`: the numeric core that calls it is owned by one thread at a time.
public final class CUDABackend: Backend, @unchecked Sendable {
    /// The card.
    public let device: CUDADevice
    let driver: CUDADriver
    let memory: DeviceMemory
    private let context: CUcontext
    private let loaded: LoadedKernels
    private let queue: LaunchQueue
    private var kernels: KernelTable
    private var failure: TensorError?
    /// Room that an operation works in between its kernels.
    private var scratch: CUDAStorage?
    private static let scratchGrain = 1 << 20
    /// The most that `spareMemory(utilization:)` tells, where several share a card: tests, and checks of one model after another.
    package var mostSpareMemory = Int.max
    private var headRoom: CUDAHeadRoom?
    /// The numbers of the last pass.
    var passRoom: CUDAStorage?
    /// NVIDIA's products for gradients; nil where our own kernels compute them.
    let blas: BlasProducts?
    let productLimits: ProductLimits
    private let productRemark: String
    private var reservedProductRoom: ProductRoom?

    /// A backend on one of this machine's cards.
    ///
    /// - Parameters:
    ///   - ordinal: which card; nil for the first that the kernels can run on.
    ///   - utilization: the share of the card's memory that may be taken.
    ///   - report: takes a line for people where kernels have to be compiled first.
    /// - Throws: `TensorError` without a driver, a card or kernels for it.
    public convenience init(
        ordinal: Int? = nil, utilization: Double = 0.9, report: (String) -> Void = { _ in }
    ) throws(TensorError) {
        let environment = ProcessInfo.processInfo.environment
        try self.init(
            CUDADriver.open(environment), ordinal: ordinal, utilization: utilization,
            blas: .installed(environment: environment), report: report)
    }

    /// A backend on a card of some driver, for tests.
    ///
    /// - Parameters:
    ///   - image: the kernels, as that driver takes them.
    ///   - blas: cuBLASLt's functions; nil for our own kernels alone.
    ///   - spareMemory: the most that `spareMemory(utilization:)` tells, where several backends share a card.
    package convenience init(
        _ functions: cuda_driver, image: UnsafeRawPointer, blas: cublas_lt? = nil,
        productLimits: ProductLimits = ProductLimits(), spareMemory: Int = .max
    ) throws(TensorError) {
        try self.init(
            CUDADriver(functions), image: image, blas: blas.map(BlasLibrary.Source.functions) ?? .none,
            productLimits: productLimits)
        mostSpareMemory = spareMemory
    }

    /// - Parameter image: the kernels; nil for those that there are.
    init(
        _ driver: CUDADriver, ordinal: Int? = nil, utilization: Double = 0.9, image: UnsafeRawPointer? = nil,
        blas source: BlasLibrary.Source, productLimits: ProductLimits = ProductLimits(),
        report: (String) -> Void = { _ in }
    ) throws(TensorError) {
        device = try CUDADevice.choose(ordinal, driver)
        self.driver = driver
        let functions = driver.functions
        var context: CUcontext?
        try driver.check(functions.cuDevicePrimaryCtxRetain(&context, device.handle), "using \(device.name)")
        guard let context else { preconditionFailure("retained without an error") }
        self.context = context
        try driver.check(functions.cuCtxSetCurrent(context), "using \(device.name)")
        loaded = try KernelImage(driver: driver, device: device).load(image, report: report)
        queue = try LaunchQueue(driver)
        kernels = KernelTable(loaded.module, driver)
        self.productLimits = productLimits
        let (library, remark) = try BlasLibrary.find(source, driverVersion: driver.version())
        productRemark = remark
        blas = try library.map { library throws(TensorError) in
            try BlasProducts(library, workspaceBytes: productLimits.workspaceBytes)
        }
        var (free, total) = (0, 0)
        try driver.check(functions.cuMemGetInfo_v2(&free, &total), "asking for the card's memory")
        let limit = min(free, (utilization * Double(total)).wholeNumber(in: 0...1 << 60))
        memory = DeviceMemory(driver, context: context, limit: limit)
    }

    deinit {
        _ = driver.functions.cuCtxSetCurrent(context)
        queue.close()
        _ = driver.functions.cuModuleUnload(loaded.module)
    }

    /// For people.
    public var name: String { "CUDA, \(device.name)" }

    /// The architecture: each may have its own bits. So may the compiler of kernels that are not this program's, and
    /// NVIDIA's library, of which it is the number of multiprocessors and the version too.
    public var arithmetic: String {
        let library = blas.map { "\(device.multiprocessors)-cublaslt\($0.library.version)" }
        return (["cuda", "sm\(device.architecture)"] + [loaded.compiler, library].compactMap(\.self))
            .joined(separator: "-")
    }

    /// For people: what computes the products of gradients, and why where it is not the fastest.
    public var products: String {
        blas?.library.name ?? "Apus' own kernels, without cuBLASLt: \(productRemark)"
    }

    /// Whether the number of rows that a call has may show in the last bits of gradients; see `Backend`.
    package var gradientsDependOnShapes: Bool { blas != nil }

    // MARK: Work

    /// The stream, with everything on it that was launched.
    var stream: CUstream { get throws(TensorError) { try queue.submitted() } }

    /// Does something on the card, unless it has failed before.
    func attempt(_ body: () throws(TensorError) -> Void) {
        guard failure == nil else { return }
        do throws(TensorError) {
            try driver.check(driver.functions.cuCtxSetCurrent(context), "using \(device.name)")
            try body()
        } catch {
            failure = error
        }
    }

    /// Waits for all that was called.
    ///
    /// - Throws: What went wrong since the backend was made.
    func synchronize() throws(TensorError) {
        attempt { () throws(TensorError) in
            try driver.check(driver.functions.cuStreamSynchronize(stream), "waiting for the card")
        }
        if let failure { throw failure }
    }

    /// Launches a kernel.
    func launch(
        _ name: KernelName, blocks: Int, _ blocksY: Int = 1, _ blocksZ: Int = 1, threads: Int, sharedBytes: Int = 0,
        _ arguments: KernelArgument...
    ) {
        guard blocks > 0, blocksY > 0, blocksZ > 0 else { return }
        attempt { () throws(TensorError) in
            let launch = LaunchList.Launch(
                function: try kernels.function(name, sharedBytes: sharedBytes),
                blocks: (UInt32(blocks), UInt32(blocksY), UInt32(blocksZ)), threads: UInt32(threads),
                sharedBytes: UInt32(sharedBytes), argumentCount: arguments.count, name: name)
            try queue.add(launch, arguments)
        }
    }

    /// Copies bytes of the host to the card; they are read during the call.
    func copy(_ bytes: UnsafeRawBufferPointer, to address: CUdeviceptr) {
        guard let from = bytes.baseAddress, !bytes.isEmpty else { return }
        attempt { () throws(TensorError) in
            try driver.check(
                driver.functions.cuMemcpyHtoDAsync_v2(address, from, bytes.count, stream), "copying to the card")
        }
    }

    /// Copies bytes of the card to the host, and waits for them.
    func read(_ address: CUdeviceptr, into bytes: UnsafeMutableRawBufferPointer) throws(TensorError) {
        if let to = bytes.baseAddress, !bytes.isEmpty {
            attempt { () throws(TensorError) in
                try driver.check(
                    driver.functions.cuMemcpyDtoHAsync_v2(to, address, bytes.count, stream), "copying from the card")
            }
        }
        try synchronize()
    }

    /// Room that is the operation's own until the next one asks.
    func scratch(_ bytes: Int) -> CUdeviceptr {
        if let scratch, 4 * scratch.count >= bytes { return scratch.address }
        attempt { () throws(TensorError) in try reserveScratch(bytes) }
        return scratch?.address ?? 0
    }

    /// Makes that room at least as large.
    func reserveScratch(_ bytes: Int) throws(TensorError) {
        if let scratch, 4 * scratch.count >= bytes { return }
        // The old room goes back first: nothing that is called later reads it.
        scratch = nil
        let grain = Self.scratchGrain
        scratch = try CUDAStorage(count: (bytes + grain - 1) / grain * grain / 4, in: memory)
    }

    /// Makes room for the products of gradients. Its size does not depend on the pass, so that no bit depends on an earlier one.
    func reserveProducts() throws(TensorError) {
        guard blas != nil, reservedProductRoom == nil else { return }
        reservedProductRoom = try ProductRoom(productLimits, in: memory)
    }

    /// The room that `prepare` made for them.
    var productRoom: ProductRoom {
        guard let reservedProductRoom else { preconditionFailure("prepare comes first") }
        return reservedProductRoom
    }

    /// Makes room for the rows of a head.
    func reserveHead(_ head: OutputHead) throws {
        let (hidden, vocabulary) = (head.weight.inputs, head.weight.outputs)
        if let room = headRoom, room.states.columns == hidden, room.logits.columns == vocabulary { return }
        headRoom = nil
        let rows = Self.headRows(vocabularySize: vocabulary)
        headRoom = CUDAHeadRoom(
            states: try makeMatrix(rows: rows, columns: hidden), logits: try makeMatrix(rows: rows, columns: vocabulary)
        )
    }

    /// The room that `prepare` made for a head.
    func headRoom(_ head: OutputHead) -> CUDAHeadRoom {
        guard let headRoom, headRoom.logits.columns == head.weight.outputs,
            headRoom.states.columns == head.weight.inputs
        else { preconditionFailure("prepare comes first") }
        return headRoom
    }
}
