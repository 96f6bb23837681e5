/// Memory of which each use takes as much as it needs: pages of a column have about the same size.
final class ByteBuffer {
    // Owned: allocated by `reserve` and freed with the object; only lent to closures.
    private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private(set) var count = 0

    deinit { memory.deallocate() }

    /// Makes room for `count` bytes, which the caller fills; what was there is lost.
    func reserve(_ count: Int) {
        if count > memory.count {
            memory.deallocate()
            memory = .allocate(byteCount: count, alignment: 16)
        }
        self.count = count
    }

    /// Lends the bytes for reading; the pointer must not outlive the call.
    @inline(__always)
    func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(start: memory.baseAddress, count: count))
    }

    /// Lends the bytes for writing; the pointer must not outlive the call.
    func withMutableBytes<Result, Failure: Error>(
        _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeMutableRawBufferPointer(start: memory.baseAddress, count: count))
    }
}
