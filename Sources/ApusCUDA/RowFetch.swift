internal import ApusTensor
internal import CCUDA

/// Rows on their way from the host's memory to the card, on a stream of their own: the pass reads one of two buffers while the
/// other is filled with what it will probably ask for next.
///
/// The pass's stream and this one wait for each other by events: a buffer is not read before it is filled, not filled before it
/// was read, and not from rows that are still to be written.
final class RowFetch {
    /// Some rows of a pass in a stream of those that are kept.
    struct Rows {
        let kept: CUDAKeptRows
        let stream: Int
        let pass: CUDAPass
        let range: Range<Int>

        var bytes: Int { range.count * CUDAKeptRows.rowBytes(kept.shape) }
        /// What a backward pass asks for next; nil after the first stream.
        var next: Rows? { stream > 0 ? Rows(kept: kept, stream: stream - 1, pass: pass, range: range) : nil }
    }

    /// What a buffer holds or is being filled with.
    private struct Contents {
        /// Goes with its store, whatever is under way: it waits for that itself.
        weak var kept: CUDAKeptRows?
        let stream: Int
        /// Stays as long as its slots may be read.
        let pass: CUDAPass
        let range: Range<Int>

        init(_ rows: Rows) { (kept, stream, pass, range) = (rows.kept, rows.stream, rows.pass, rows.range) }

        func isOfPass(of rows: Rows) -> Bool { kept === rows.kept && pass === rows.pass }
        func isSame(as rows: Rows) -> Bool { isOfPass(of: rows) && stream == rows.stream && range == rows.range }
    }

    private struct Buffer {
        var storage: CUDAStorage?
        var contents: Contents?
        /// The end of the work that fills it, and of that which reads it.
        let filled, spent: CUDAEvent
        /// Whether the pass's stream waits for `filled` already.
        var isJoined = true
    }

    let stream: CUDAStream
    private var buffers: [Buffer] = []
    /// That of the pass: all that was launched has to be on it before the other one waits for it.
    private let computing: LaunchQueue
    /// The end of what writes rows and slots.
    private let ready: CUDAEvent
    private let memory: DeviceMemory

    /// - Throws: `TensorError` when the driver refuses.
    init(beside computing: LaunchQueue, _ memory: DeviceMemory, _ context: CUDAContext) throws(TensorError) {
        self.computing = computing
        self.memory = memory
        stream = try CUDAStream(context)
        ready = try CUDAEvent(context)
        for _ in 0..<2 { buffers.append(Buffer(filled: try CUDAEvent(context), spent: try CUDAEvent(context))) }
    }

    /// Makes room for so many bytes of rows in each buffer; both grow, or none.
    ///
    /// - Throws: `TensorError` when the card has no memory for it.
    func reserve(_ bytes: Int) throws(TensorError) {
        for index in buffers.indices where 4 * (buffers[index].storage?.count ?? 0) < bytes {
            try empty(index)
            buffers[index].storage = nil
            buffers[index].storage = try CUDAStorage(count: (bytes + 3) / 4, in: memory)
        }
    }

    /// Forgets rows that are written again.
    func forget(_ kept: CUDAKeptRows) throws(TensorError) {
        for index in buffers.indices where buffers[index].contents?.kept === kept { try empty(index) }
    }

    /// Lets a buffer's contents go. Their slots and the buffer are the pass's stream's to use again, which therefore has to wait.
    private func empty(_ index: Int) throws(TensorError) {
        if !buffers[index].isJoined { try join(index) }
        buffers[index].contents = nil
    }

    private func join(_ index: Int) throws(TensorError) {
        try buffers[index].filled.hold(computing.submitted())
        buffers[index].isJoined = true
    }

    /// Has rows read from a buffer that holds them, and the next ones fetched.
    ///
    /// - Parameters:
    ///   - copy: puts the work that fills a buffer into this stream.
    ///   - read: puts the work that reads it into the pass's.
    func read(
        _ rows: Rows, copy: (Rows, CUdeviceptr) -> Void, read: (CUdeviceptr) -> Void
    ) throws(TensorError) {
        let held = buffers.firstIndex { $0.contents?.isSame(as: rows) == true }
        // A buffer that is still to be read was filled for something else: it may be wanted after this.
        let index = held ?? buffers.firstIndex { $0.isJoined } ?? 0
        if held == nil { try fill(index, with: rows, copy) }
        if !buffers[index].isJoined { try join(index) }
        read(buffers[index].storage?.address ?? 0)
        try buffers[index].spent.record(in: computing.submitted())
        guard let next = rows.next, !buffers.contains(where: { $0.contents?.isSame(as: next) == true }) else { return }
        try fill(1 - index, with: next, copy)
    }

    private func fill(_ index: Int, with rows: Rows, _ copy: (Rows, CUdeviceptr) -> Void) throws(TensorError) {
        try empty(index)
        try reserve(rows.bytes)
        // Before the first rows of a pass, what writes them and its slots has to be done, and what used the buffers' memory.
        if !buffers.contains(where: { $0.contents?.isOfPass(of: rows) == true }) {
            try ready.record(in: computing.submitted())
            try ready.hold(stream.handle)
        }
        try buffers[index].spent.hold(stream.handle)
        buffers[index].isJoined = false
        buffers[index].contents = Contents(rows)
        copy(rows, buffers[index].storage?.address ?? 0)
        try buffers[index].filled.record(in: stream.handle)
    }
}
