public import ApusTensor
package import CCUDA

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
    let context: CUDAContext
    private let module: CUmodule
    private let computing: CUDAStream
    var stream: CUstream { computing.handle }
    /// What bytes go through on their way to the card and back.
    let staging: Staging
    private static let (stagingSegments, stagingBytes) = (4, 1 << 20)
    /// What values of weights go through; made when the first one comes.
    var weightStaging: Staging?
    private var kernels: KernelTable
    private var failure: TensorError?
    /// Room that an operation works in between its kernels.
    private var scratch: CUDAStorage?
    private static let scratchGrain = 1 << 20
    private var headRoom: CUDAHeadRoom?

    /// A backend on one of this machine's cards.
    ///
    /// - Parameters:
    ///   - ordinal: which card.
    ///   - utilization: the share of all of the card's memory that the process may take.
    /// - Throws: `TensorError` without a driver, a card or kernels for it.
    public convenience init(ordinal: Int = 0, utilization: Double = 0.9) throws(TensorError) {
        try self.init(CUDADriver.open(), ordinal: ordinal, utilization: utilization)
    }

    /// A backend on a card of some driver, for tests.
    ///
    /// - Parameters:
    ///   - image: the kernels, as that driver takes them.
    ///   - utilization: the share of all of the card's memory that may be taken.
    package convenience init(
        _ functions: cuda_driver, image: UnsafeRawPointer, utilization: Double
    ) throws(TensorError) {
        try self.init(CUDADriver(functions), utilization: utilization, image: image)
    }

    /// - Parameter image: the kernels; nil for those that are embedded.
    init(
        _ driver: CUDADriver, ordinal: Int = 0, utilization: Double = 0.9, image: UnsafeRawPointer? = nil
    ) throws(TensorError) {
        let devices = try CUDADevice.all(driver)
        guard devices.indices.contains(ordinal) else {
            throw TensorError(
                "CUDA: wanted card \(ordinal), found \(devices.count) cards; choose another, or the device cpu")
        }
        device = devices[ordinal]
        try device.requireSupport()
        self.driver = driver
        context = try CUDAContext(driver, device)
        computing = try CUDAStream(context)
        module = try KernelImage.load(image, driver, for: device)
        kernels = KernelTable(module, driver)
        staging = try Staging(
            segments: Self.stagingSegments, of: Self.stagingBytes, for: computing.handle, context)
        var (free, total) = (0, 0)
        try context.call("asking for the card's memory") { $0.cuMemGetInfo_v2(&free, &total) }
        let limit = min(free, (utilization * Double(total)).wholeNumber(in: 0...1 << 60))
        memory = try DeviceMemory(VirtualMemory(context), limit: limit)
    }

    deinit {
        context.release { $0.cuStreamSynchronize(stream) }
        context.release { $0.cuModuleUnload(module) }
    }

    /// For people.
    public var name: String { "CUDA, \(device.name)" }

    /// The architecture: each may have its own bits.
    public var arithmetic: String { "cuda-sm\(device.architecture)" }

    // MARK: Work

    /// Does something on the card, unless it has failed before.
    func attempt(_ body: () throws(TensorError) -> Void) {
        guard failure == nil else { return }
        do throws(TensorError) {
            try context.enter()
            try body()
        } catch {
            failure = error
        }
    }

    /// Waits for all that was called.
    ///
    /// - Throws: What went wrong since the backend was made.
    func synchronize() throws(TensorError) {
        attempt { () throws(TensorError) in try computing.finish() }
        if let failure { throw failure }
    }

    /// Enqueues a kernel.
    func launch(
        _ name: KernelName, blocks: Int, _ blocksY: Int = 1, _ blocksZ: Int = 1, threads: Int, sharedBytes: Int = 0,
        _ arguments: KernelArgument...
    ) {
        guard blocks > 0, blocksY > 0, blocksZ > 0 else { return }
        attempt { () throws(TensorError) in
            let function = try kernels.function(name, sharedBytes: sharedBytes)
            var cells = arguments.map(\.cell)
            // The driver reads the cells during the call.
            let code = cells.withUnsafeMutableBufferPointer { cells in
                var addresses = cells.indices.map { index in
                    cells.baseAddress.map { UnsafeMutableRawPointer($0 + index) }
                }
                return driver.functions.cuLaunchKernel(
                    function, UInt32(blocks), UInt32(blocksY), UInt32(blocksZ), UInt32(threads), 1, 1,
                    UInt32(sharedBytes), stream, &addresses, nil)
            }
            try driver.check(code, "kernel \(name.symbol)")
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
