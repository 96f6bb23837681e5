public import ApusTensor
package import CCUDA
internal import Foundation

/// An NVIDIA card: kernels of one module, on one stream, beside which another one fetches rows from the host's memory.
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
    let context: CUDAContext
    private let loaded: LoadedKernels
    let queue: LaunchQueue
    /// What bytes go through on their way to the card and back.
    let staging: Staging
    private static let (stagingSegments, stagingBytes) = (4, 1 << 20)
    /// What values of weights go through; made when the first one comes.
    var weightStaging: Staging?
    /// What brings rows from the host's memory; nil where none are kept there.
    var rowFetch: RowFetch?
    private var kernels: KernelTable
    private var failure: TensorError?
    /// Room that an operation works in between its kernels.
    private var scratch: CUDAStorage?
    private static let scratchGrain = 1 << 20
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
    ///   - utilization: the share of all of the card's memory that may be taken.
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
    ///   - utilization: the share of all of the card's memory that may be taken.
    ///   - blas: cuBLASLt's functions; nil for our own kernels alone.
    package convenience init(
        _ functions: cuda_driver, image: UnsafeRawPointer, utilization: Double = 0.9, blas: cublas_lt? = nil,
        productLimits: ProductLimits = ProductLimits()
    ) throws(TensorError) {
        try self.init(
            CUDADriver(functions), utilization: utilization, image: image,
            blas: blas.map(BlasLibrary.Source.functions) ?? .none, productLimits: productLimits)
    }

    /// - Parameter image: the kernels; nil for those that there are.
    init(
        _ driver: CUDADriver, ordinal: Int? = nil, utilization: Double = 0.9, image: UnsafeRawPointer? = nil,
        blas source: BlasLibrary.Source, productLimits: ProductLimits = ProductLimits(),
        report: (String) -> Void = { _ in }
    ) throws(TensorError) {
        device = try CUDADevice.choose(ordinal, driver)
        self.driver = driver
        context = try CUDAContext(driver, device)
        queue = try LaunchQueue(context)
        loaded = try KernelImage(context: context).load(image, report: report)
        kernels = KernelTable(loaded.module, context)
        staging = try Staging(segments: Self.stagingSegments, of: Self.stagingBytes, for: queue.stream, context)
        self.productLimits = productLimits
        let (library, remark) = try BlasLibrary.find(source, driverVersion: driver.version())
        productRemark = remark
        blas = try library.map { library throws(TensorError) in
            try BlasProducts(library, workspaceBytes: productLimits.workspaceBytes)
        }
        var (free, total) = (0, 0)
        try context.call("asking for the card's memory") { $0.cuMemGetInfo_v2(&free, &total) }
        let limit = min(free, (utilization * Double(total)).wholeNumber(in: 0...1 << 60))
        memory = try DeviceMemory(VirtualMemory(context, queue), limit: limit)
    }

    deinit {
        queue.close()
        context.release { $0.cuModuleUnload(loaded.module) }
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

    /// The stream, with everything on it that was launched; the card is the one that this thread's calls are for.
    var stream: CUstream { get throws(TensorError) { try queue.submitted() } }

    /// Does something on the card, unless it has failed before.
    func attempt(_ body: () throws(TensorError) -> Void) {
        remember { () throws(TensorError) in
            try context.enter()
            try body()
        }
    }

    /// Does something, unless something has failed before.
    private func remember(_ body: () throws(TensorError) -> Void) {
        guard failure == nil else { return }
        do throws(TensorError) { try body() } catch { failure = error }
    }

    /// Waits for all that was called.
    ///
    /// - Throws: What went wrong since the backend was made.
    func synchronize() throws(TensorError) {
        remember { () throws(TensorError) in try queue.finish() }
        if let failure { throw failure }
    }

    /// Launches a kernel.
    ///
    /// - Parameter stream: nil for that of all operations.
    func launch(
        _ name: KernelName, blocks: Int, _ blocksY: Int = 1, _ blocksZ: Int = 1, threads: Int, sharedBytes: Int = 0,
        in stream: CUDAStream? = nil, _ arguments: KernelArgument...
    ) {
        guard blocks > 0, blocksY > 0, blocksZ > 0 else { return }
        remember { () throws(TensorError) in
            let launch = LaunchList.Launch(
                function: try kernels.function(name, sharedBytes: sharedBytes),
                blocks: (UInt32(blocks), UInt32(blocksY), UInt32(blocksZ)), threads: UInt32(threads),
                sharedBytes: UInt32(sharedBytes), argumentCount: arguments.count, name: name)
            guard let stream else { return try queue.add(launch, arguments) }
            var list = LaunchList()
            list.append(launch, arguments)
            try context.enter()
            try list.launch(on: stream.handle, driver)
        }
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
