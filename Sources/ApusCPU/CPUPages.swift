internal import ApusTensor
internal import CKernels

extension KeyValueCache.Shape {
    /// What one layer takes of a page, in units of four bytes.
    var layerFloats: Int {
        let record = apus_page_bytes(Int32(headSize), format == .fixed ? 1 : 0)
        return keyValueHeads * Int(record) / MemoryLayout<Float>.stride
    }

    /// The kernels' view of the pages that begin at `base`; without one, of their sizes.
    ///
    /// - Parameter rule: what they are read by; nil where they are only written.
    func pages(at base: UnsafeMutablePointer<Float>?, _ rule: AttentionRule? = nil) -> apus_pages {
        apus_pages(
            base: base, fixed: format == .fixed ? 1 : 0, heads: Int32(heads), kv_heads: Int32(keyValueHeads),
            head_size: Int32(headSize), scale: rule?.scale ?? 1, soft_cap: rule?.softCap ?? 0,
            window: Int32(clamping: rule?.window ?? 0))
    }
}

/// Keys and values in main memory: integers of 16 bits with scales, or fp32.
///
/// What one page holds for all layers lies together, so that memory is touched page by page. To the kernels, which see one
/// layer, the n-th page has the number n · layers.
final class CPUKeyValueCache: KeyValueCache, @unchecked Sendable {
    // Of a page's layers, and of a layer's heads, what is read together lies together.
    private let storage: CPUStorage

    init(_ shape: Shape, pages: Int) throws(TensorError) {
        storage = try CPUStorage(count: pages * shape.layers * shape.layerFloats)
        super.init(shape: shape, pages: pages)
    }

    func layer(_ layer: Int, _ rule: AttentionRule? = nil) -> apus_pages {
        precondition(layer < shape.layers, "no such layer")
        return shape.pages(at: storage.base + layer * shape.layerFloats, rule)
    }

    func copy(_ source: Int32, to destination: Int32) {
        precondition(max(source, destination) < pages, "no such page")
        let count = shape.layers * shape.layerFloats
        (storage.base + Int(destination) * count).update(from: storage.base + Int(source) * count, count: count)
    }
}

/// Kept rows in main memory: fp32, or integers of 16 bits with one fp32 scale for each block of 64 columns.
///
/// What one page holds of all streams lies together, [page][stream][position in the page].
final class CPUKeptRows: KeptRows, @unchecked Sendable {
    private let exact: CPUStorage?
    private let values: CPUStorage?
    private let scales: CPUStorage?

    init(_ shape: Shape, pages: Int) throws(TensorError) {
        let rows = pages * shape.streams * KeyValueCache.pageTokens
        exact = shape.isExact ? try CPUStorage(count: rows * shape.columns) : nil
        values = shape.isExact ? nil : try CPUStorage(count: (rows * shape.columns + 1) / 2)
        scales = shape.isExact ? nil : try CPUStorage(count: rows * Self.blocks(shape.columns))
        super.init(shape: shape, pages: pages)
    }

    static func blocks(_ columns: Int) -> Int { (columns + Int(APUS_SHORT_BLOCK) - 1) / Int(APUS_SHORT_BLOCK) }

    /// Where a row lies. Kernels write and read whole rows; the caller names each row once.
    enum Place {
        case exact(UnsafeMutablePointer<Float>)
        case short(values: UnsafeMutablePointer<Int16>, scales: UnsafeMutablePointer<Float>)
    }

    /// The row of a slot and a stream.
    func place(_ slot: Int32, stream: Int) -> Place {
        let (page, position) = Int(slot).quotientAndRemainder(dividingBy: KeyValueCache.pageTokens)
        precondition(page < pages && stream < shape.streams, "no such row")
        let row = (page * shape.streams + stream) * KeyValueCache.pageTokens + position
        if let exact { return .exact(exact.base + row * shape.columns) }
        guard let values, let scales else { preconditionFailure("made when it is not exact") }
        return .short(
            values: UnsafeMutableRawPointer(values.base).assumingMemoryBound(to: Int16.self) + row * shape.columns,
            scales: scales.base + row * Self.blocks(shape.columns))
    }
}

/// Cosines and sines in main memory.
final class CPURotaryTable: RotaryTable, @unchecked Sendable {
    let cosines: Matrix
    let sines: Matrix

    init(_ cosines: Matrix, _ sines: Matrix) {
        self.cosines = cosines
        self.sines = sines
        super.init(positions: cosines.rows, dimensions: 2 * cosines.columns)
    }
}

extension KeyValueCache {
    /// As this backend made it.
    var cpu: CPUKeyValueCache { ownHandle(self) }
}

extension KeptRows {
    /// As this backend made it.
    var cpu: CPUKeptRows { ownHandle(self) }
}

extension RotaryTable {
    /// As this backend made it.
    var cpu: CPURotaryTable { ownHandle(self) }
}
