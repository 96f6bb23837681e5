internal import ApusTensor
internal import CCUDA

/// Pages on the card, [page][layer][key/value head], of each the keys of 16 positions and then their values, in bf16 or fp32.
///
/// `@unchecked Sendable`: as `KeyValueCache`.
final class CUDAKeyValueCache: KeyValueCache, @unchecked Sendable {
    private let storage: CUDAStorage
    var base: CUdeviceptr { storage.address }
    var isExact: Bool { shape.format == .f32 }

    /// Bytes of a page over all layers.
    static func pageBytes(_ shape: Shape) -> Int {
        let values = 2 * pageTokens * shape.headSize * shape.keyValueHeads * shape.layers
        return values * (shape.format == .f32 ? 4 : 2)
    }

    init(_ shape: Shape, pages: Int, in memory: DeviceMemory) throws(TensorError) {
        storage = try CUDAStorage(count: pages * Self.pageBytes(shape) / 4, in: memory)
        super.init(shape: shape, pages: pages)
    }
}

/// Kept rows on the card, [page][stream][position], in fp32, or in 16 bits with a scale for each 64 values.
///
/// `@unchecked Sendable`: as `KeptRows`.
final class CUDAKeptRows: KeptRows, @unchecked Sendable {
    private let valueStorage: CUDAStorage
    private let scaleStorage: CUDAStorage?
    var base: CUdeviceptr { valueStorage.address }
    var scales: CUdeviceptr? { scaleStorage?.address }

    static func blocks(_ columns: Int) -> Int { (columns + 63) / 64 }

    /// Bytes that one position takes.
    static func positionBytes(_ shape: Shape) -> Int {
        shape.streams * (shape.isExact ? 4 * shape.columns : 2 * shape.columns + 4 * blocks(shape.columns))
    }

    init(_ shape: Shape, pages: Int, in memory: DeviceMemory) throws(TensorError) {
        let rows = pages * shape.streams * KeyValueCache.pageTokens
        let values = rows * shape.columns
        valueStorage = try CUDAStorage(count: shape.isExact ? values : (values + 1) / 2, in: memory)
        scaleStorage = shape.isExact ? nil : try CUDAStorage(count: rows * Self.blocks(shape.columns), in: memory)
        super.init(shape: shape, pages: pages)
    }
}

/// Cosines and sines on the card.
///
/// `@unchecked Sendable`: as `RotaryTable`.
final class CUDARotaryTable: RotaryTable, @unchecked Sendable {
    let cosines: Matrix
    let sines: Matrix

    init(_ cosines: Matrix, _ sines: Matrix) {
        self.cosines = cosines
        self.sines = sines
        super.init(positions: cosines.rows, dimensions: 2 * cosines.columns)
    }
}

/// A bit for each token of the vocabulary in each line.
///
/// `@unchecked Sendable`: as `TokenHistory`.
final class CUDATokenHistory: TokenHistory, @unchecked Sendable {
    private let storage: CUDAStorage
    /// Words of 32 bits in a line.
    let words: Int
    var base: CUdeviceptr { storage.address }

    init(lines: Int, vocabularySize: Int, in memory: DeviceMemory) throws(TensorError) {
        words = (vocabularySize + 31) / 32
        storage = try CUDAStorage(count: lines * words, in: memory)
        super.init(lines: lines)
    }
}

/// As this backend made them.
extension Weight {
    var cuda: CUDAWeight { ownHandle(self) }
}

extension KeyValueCache {
    var cuda: CUDAKeyValueCache { ownHandle(self) }
}

extension KeptRows {
    var cuda: CUDAKeptRows { ownHandle(self) }
}

extension RotaryTable {
    var cuda: CUDARotaryTable { ownHandle(self) }
}

extension TokenHistory {
    var cuda: CUDATokenHistory { ownHandle(self) }
}
