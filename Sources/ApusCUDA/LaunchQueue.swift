internal import ApusTensor
internal import CCUDA
internal import Synchronization

/// A stream, and the kernels on their way to it.
///
/// Launches are gathered a little, and a list of them that comes again becomes a graph: one call to the driver, and no gap
/// between its kernels. A step of decoding is the same list as the step before as long as the same number of sequences runs:
/// what changes between them (tokens, positions, pages) lies in the card's memory, at the same addresses. Lists are compared
/// whole, so that nothing has to be known of what they do.
///
/// `@unchecked Sendable`: what changes is behind a mutex, for memory may be given back on any thread and takes what waits
/// here along (`drain`); the driver may be called from any thread.
final class LaunchQueue: @unchecked Sendable {
    /// Launches that go to the card together: enough to be worth a call, and few enough that the card begins while the host is
    /// still at the next ones.
    static let listLength = 96
    /// Fewer are launched one by one.
    static let leastGraph = 12
    /// Graphs and lists that are remembered before all are forgotten: as many as a batch has sizes, a few times over.
    private static let mostGraphs = 512
    private static let mostLists = 4096

    /// The stream itself: what is still gathered is not on it.
    let stream: CUDAStream
    private let context: CUDAContext
    private let access = Mutex(())
    private var list = LaunchList()
    private var graphs: [LaunchList: CUgraphExec] = [:]
    /// Hashes of lists that have come once.
    private var seen: Set<Int> = []
    /// What went wrong where nobody could be told.
    private var failure: TensorError?

    init(_ context: CUDAContext) throws(TensorError) {
        self.context = context
        stream = try CUDAStream(context)
    }

    /// Waits for everything and gives the graphs back.
    func close() {
        drain()
        access.withLock { _ in forgetGraphs() }
    }

    /// Adds a kernel.
    func add(_ launch: LaunchList.Launch, _ arguments: [KernelArgument]) throws(TensorError) {
        try access.withLock { (_) throws(TensorError) in
            list.append(launch, arguments)
            if list.count >= Self.listLength { try submit() }
        }
    }

    /// The stream, when everything that was added is on it; this thread's calls are for its card.
    func submitted() throws(TensorError) -> CUstream {
        try access.withLock { (_) throws(TensorError) in try submit() }
        return stream.handle
    }

    /// Waits for everything.
    func finish() throws(TensorError) {
        _ = try submitted()
        try stream.finish()
    }

    /// Waits for all of the card's work, before memory goes that it may use. What goes wrong is told by the next call.
    func drain() {
        access.withLock { _ in
            do throws(TensorError) { try submit() } catch { failure = error }
        }
        context.release { $0.cuCtxSynchronize() }
    }

    private func submit() throws(TensorError) {
        try context.enter()
        if let failure { throw failure }
        guard list.count > 0 else { return }
        defer { list.removeAll() }
        guard list.count >= Self.leastGraph, let graph = try graph(of: list) else {
            return try list.launch(on: stream.handle, context.driver)
        }
        try context.driver.check(
            context.driver.functions.cuGraphLaunch(graph, stream.handle), "a graph of \(list.count) kernels")
    }

    /// The graph of a list that comes again; nil the first time.
    private func graph(of list: LaunchList) throws(TensorError) -> CUgraphExec? {
        if let graph = graphs[list] { return graph }
        if seen.count >= Self.mostLists { seen.removeAll() }
        guard !seen.insert(list.hashValue).inserted else { return nil }
        if graphs.count >= Self.mostGraphs { forgetGraphs() }
        let graph = try capture(list)
        graphs[list] = graph
        return graph
    }

    private func capture(_ list: LaunchList) throws(TensorError) -> CUgraphExec {
        let (driver, functions) = (context.driver, context.driver.functions)
        try driver.check(
            functions.cuStreamBeginCapture_v2(
                stream.handle, CUstreamCaptureMode(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)),
            "recording kernels")
        var failure: TensorError?
        do throws(TensorError) { try list.launch(on: stream.handle, driver) } catch { failure = error }
        var graph: CUgraph?
        let ended = functions.cuStreamEndCapture(stream.handle, &graph)
        defer { if let graph { _ = functions.cuGraphDestroy(graph) } }
        if let failure { throw failure }
        try driver.check(ended, "recording kernels")
        var executable: CUgraphExec?
        try driver.check(
            functions.cuGraphInstantiateWithFlags(&executable, graph, 0), "a graph of \(list.count) kernels")
        guard let executable else { preconditionFailure("made without an error") }
        return executable
    }

    private func forgetGraphs() {
        for graph in graphs.values { context.release { $0.cuGraphExecDestroy(graph) } }
        graphs = [:]
    }
}
