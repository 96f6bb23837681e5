internal import ApusTensor
internal import CCUDA

/// A card as this process uses it.
///
/// `@unchecked Sendable`: nothing in it changes, and the driver may be called from any thread.
struct CUDAContext: @unchecked Sendable {
    let driver: CUDADriver
    let device: CUDADevice
    private let handle: CUcontext

    /// - Throws: `TensorError` when the driver refuses.
    init(_ driver: CUDADriver, _ device: CUDADevice) throws(TensorError) {
        self.driver = driver
        self.device = device
        var handle: CUcontext?
        try driver.check(driver.functions.cuDevicePrimaryCtxRetain(&handle, device.handle), "using \(device.name)")
        guard let handle else { preconditionFailure("retained without an error") }
        self.handle = handle
    }

    /// Makes the card the one that this thread's calls are for.
    func enter() throws(TensorError) {
        try driver.check(driver.functions.cuCtxSetCurrent(handle), "using \(device.name)")
    }

    /// Calls a function of the driver for the card, from whichever thread.
    func call(_ purpose: @autoclosure () -> String, _ body: (cuda_driver) -> CUresult) throws(TensorError) {
        try enter()
        try driver.check(body(driver.functions), purpose())
    }

    /// Calls a function that gives something back: what goes wrong with that concerns nobody any more.
    func release(_ body: (cuda_driver) -> CUresult) {
        _ = driver.functions.cuCtxSetCurrent(handle)
        _ = body(driver.functions)
    }
}

/// Work that is done in its order.
final class CUDAStream {
    let handle: CUstream
    private let context: CUDAContext

    init(_ context: CUDAContext) throws(TensorError) {
        var handle: CUstream?
        try context.call("making a stream") { $0.cuStreamCreate(&handle, UInt32(CU_STREAM_NON_BLOCKING)) }
        guard let handle else { preconditionFailure("made without an error") }
        self.handle = handle
        self.context = context
    }

    deinit {
        context.release { $0.cuStreamSynchronize(handle) }
        context.release { $0.cuStreamDestroy_v2(handle) }
    }

    /// Waits for all of the work.
    func finish() throws(TensorError) { try context.call("waiting for the card") { $0.cuStreamSynchronize(handle) } }
}

/// A place in a stream's work, which others wait for.
final class CUDAEvent {
    private let handle: CUevent
    private let context: CUDAContext

    init(_ context: CUDAContext) throws(TensorError) {
        var handle: CUevent?
        try context.call("making an event") { $0.cuEventCreate(&handle, UInt32(CU_EVENT_DISABLE_TIMING)) }
        guard let handle else { preconditionFailure("made without an error") }
        self.handle = handle
        self.context = context
    }

    deinit { context.release { $0.cuEventDestroy_v2(handle) } }

    /// Marks the end of what is in a stream now.
    func record(in stream: CUstream) throws(TensorError) {
        try context.call("marking work") { $0.cuEventRecord(handle, stream) }
    }

    /// Lets what comes later in a stream wait for the mark.
    func hold(_ stream: CUstream) throws(TensorError) {
        try context.call("joining streams") { $0.cuStreamWaitEvent(stream, handle, 0) }
    }

    /// Waits for the mark here.
    func finish() throws(TensorError) { try context.call("waiting for the card") { $0.cuEventSynchronize(handle) } }
}
