internal import ApusTensor
internal import CCUDA

/// Which products of gradients go through the library, and what they take of the card's memory.
package struct ProductLimits: Sendable {
    /// Rows from which a weight is worth unpacking. By arithmetic, not yet by measurement: bf16 values are written and read
    /// again, which takes a card as long as multiplying some hundred rows with them; our own kernels unpack on the fly.
    package var leastRows = 256
    /// Rows in bf16 that are multiplied at a time. More of them make the unpacking of weights cheaper.
    package var rowBytes = 128 << 20
    /// The part of a weight that is unpacked at a time: as much as the second cache of a large card keeps until it is read.
    package var weightBytes = 32 << 20
    /// What the library's algorithms may work in, as NVIDIA advises for its largest cards.
    package var workspaceBytes = 32 << 20

    /// The limits of cards.
    package init() {}

    /// Bytes of all rooms.
    var byteCount: Int { rowBytes + weightBytes + workspaceBytes }

    // MARK: Cuts

    /// The pieces of a batch's rows that have room at a time, `width` values each; nil where not even one has. What is summed
    /// over rows is summed by `RowSums.blockRows` of them: the cuts change no bit of it.
    func pieces(ofRows rows: Int, width: Int) -> [Range<Int>]? {
        Self.cut(rows, atMost: rowBytes / (2 * width), grain: RowSums.blockRows)
    }

    /// The pieces of a weight's rows that have room at a time, `width` values each, with `more` rows beside each of them.
    func pieces(ofWeight rows: Int, width: Int, more: Int = 0) -> [Range<Int>]? {
        Self.cut(rows, atMost: weightBytes / (2 * width) - more, grain: 128)
    }

    /// Whether some rows of a weight have room.
    func holds(weightRows rows: Int, width: Int) -> Bool { 2 * rows * width <= weightBytes }

    /// Pieces of about the same size that begin at multiples of `grain`. They depend on the sizes alone, not on what is
    /// reserved: the bits of a sum depend on them.
    private static func cut(_ count: Int, atMost limit: Int, grain: Int) -> [Range<Int>]? {
        guard count > limit else { return [0..<count] }
        guard limit >= grain else { return nil }
        let number = (count + limit - 1) / limit
        let step = min(((count + number - 1) / number + grain - 1) / grain, limit / grain) * grain
        return stride(from: 0, to: count, by: step).map { $0..<min($0 + step, count) }
    }
}

/// The rooms of products of gradients.
struct ProductRoom {
    private let storage: CUDAStorage
    /// Where rows go, in bf16.
    let rows: CUdeviceptr
    /// Where parts of weights go, in bf16.
    let weight: CUdeviceptr
    /// What the library works in.
    let workspace: CUdeviceptr

    init(_ limits: ProductLimits, in memory: DeviceMemory) throws(TensorError) {
        storage = try CUDAStorage(count: limits.byteCount / 4, in: memory)
        rows = storage.address
        weight = rows + CUdeviceptr(limits.rowBytes)
        workspace = weight + CUdeviceptr(limits.weightBytes)
    }
}
