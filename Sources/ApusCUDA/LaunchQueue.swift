internal import ApusTensor
internal import CCUDA

/// A stream, and the kernels on their way to it.
///
/// Launches are gathered a little, and a list of them that comes again becomes a graph: one call to the driver, and no gap
/// between its kernels. A step of decoding is the same list as the step before as long as the same number of sequences runs:
/// what changes between them (tokens, positions, pages) lies in the card's memory, at the same addresses. Lists are compared
/// whole, so that nothing has to be known of what they do.
final class LaunchQueue {
    /// Launches that go to the card together: enough to be worth a call, and few enough that the card begins while the host is
    /// still at the next ones.
    static let listLength = 96
    /// Fewer are launched one by one.
    static let leastGraph = 12
    /// Graphs and lists that are remembered before all are forgotten: as many as a batch has sizes, a few times over.
    private static let mostGraphs = 512
    private static let mostLists = 4096

    private let driver: CUDADriver
    private let stream: CUstream
    private var list = LaunchList()
    private var graphs: [LaunchList: CUgraphExec] = [:]
    /// Hashes of lists that have come once.
    private var seen: Set<Int> = []

    init(_ driver: CUDADriver) throws(TensorError) {
        self.driver = driver
        var stream: CUstream?
        try driver.check(driver.functions.cuStreamCreate(&stream, UInt32(CU_STREAM_NON_BLOCKING)), "making a stream")
        guard let stream else { preconditionFailure("made without an error") }
        self.stream = stream
    }

    /// Waits for everything and gives everything back; whoever owns it calls this while its context is the current one.
    func close() {
        _ = driver.functions.cuStreamSynchronize(stream)
        forgetGraphs()
        _ = driver.functions.cuStreamDestroy_v2(stream)
    }

    /// Adds a kernel.
    func add(_ launch: LaunchList.Launch, _ arguments: [KernelArgument]) throws(TensorError) {
        list.append(launch, arguments)
        if list.count >= Self.listLength { try submit() }
    }

    /// The stream, when everything that was added is on it.
    func submitted() throws(TensorError) -> CUstream {
        try submit()
        return stream
    }

    private func submit() throws(TensorError) {
        guard list.count > 0 else { return }
        defer { list.removeAll() }
        guard list.count >= Self.leastGraph, let graph = try graph(of: list) else {
            return try list.launch(on: stream, driver)
        }
        try driver.check(driver.functions.cuGraphLaunch(graph, stream), "a graph of \(list.count) kernels")
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
        let functions = driver.functions
        try driver.check(
            functions.cuStreamBeginCapture_v2(stream, CUstreamCaptureMode(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)),
            "recording kernels")
        var failure: TensorError?
        do throws(TensorError) { try list.launch(on: stream, driver) } catch { failure = error }
        var graph: CUgraph?
        let ended = functions.cuStreamEndCapture(stream, &graph)
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
        for graph in graphs.values { _ = driver.functions.cuGraphExecDestroy(graph) }
        graphs = [:]
    }
}
