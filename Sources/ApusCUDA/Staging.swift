internal import ApusTensor
internal import CCUDA

/// Memory of the host that the card copies from and to by itself.
private final class PinnedBuffer {
    let base: UnsafeMutableRawPointer
    private let context: CUDAContext

    init(_ bytes: Int, _ context: CUDAContext) throws(TensorError) {
        var base: UnsafeMutableRawPointer?
        try context.call("pinning \(bytes / 1024) KiB of main memory") { $0.cuMemHostAlloc(&base, bytes, 0) }
        guard let base else { preconditionFailure("allocated without an error") }
        self.base = base
        self.context = context
    }

    deinit { context.release { $0.cuMemFreeHost(base) } }
}

/// Pinned memory that bytes go through on their way: the host fills one segment while the card copies from another. Before a
/// segment is used again, its copies are waited for.
///
/// The pointers that it gives are valid as long as it lives, and their bytes the caller's until it asks for more.
final class Staging {
    let segmentBytes: Int
    private let buffer: PinnedBuffer
    private let stream: CUDAStream
    private var segments: [Segment] = []
    private var current = 0
    /// Bytes of the current segment that are given out.
    private var used = 0

    private struct Segment {
        /// The end of the work that uses its bytes.
        let done: CUDAEvent
        var isBusy = false
    }

    /// - Throws: `TensorError` when the system has no such memory.
    init(segments count: Int, of segmentBytes: Int, for stream: CUDAStream, _ context: CUDAContext) throws(TensorError)
    {
        self.segmentBytes = segmentBytes
        self.stream = stream
        buffer = try PinnedBuffer(count * segmentBytes, context)
        for _ in 0..<count { segments.append(Segment(done: try CUDAEvent(context))) }
    }

    /// Bytes that no work uses which is in the stream now; at most a segment.
    func take(_ bytes: Int) throws(TensorError) -> UnsafeMutableRawBufferPointer {
        precondition(bytes <= segmentBytes, "more than a segment")
        if used + bytes > segmentBytes { try advance() }
        defer { used += (bytes + 15) / 16 * 16 }
        return UnsafeMutableRawBufferPointer(start: buffer.base + current * segmentBytes + used, count: bytes)
    }

    /// All of a segment is in use: the next one is free when the work of its last turn is done.
    private func advance() throws(TensorError) {
        try segments[current].done.record(in: stream.handle)
        segments[current].isBusy = true
        current = (current + 1) % segments.count
        used = 0
        guard segments[current].isBusy else { return }
        try segments[current].done.finish()
        segments[current].isBusy = false
    }
}
