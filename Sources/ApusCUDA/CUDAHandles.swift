internal import ApusTensor
internal import CCUDA

/// Pages on the card, [page][layer][key/value head], of each the keys of 16 positions and then their values, in bf16 or fp32.
///
/// `@unchecked Sendable`: as `KeyValueCache`.
final class CUDAKeyValueCache: KeyValueCache, @unchecked Sendable {
    let storage: CardPages
    var base: CUdeviceptr { storage.base }
    var isExact: Bool { shape.format == .f32 }

    /// Bytes of a page over all layers.
    static func pageBytes(_ shape: Shape) -> Int {
        let values = 2 * pageTokens * shape.headSize * shape.keyValueHeads * shape.layers
        return values * (shape.format == .f32 ? 4 : 2)
    }

    init(_ shape: Shape, pages: Int, in memory: DeviceMemory) throws(TensorError) {
        storage = try CardPages(pages, of: Self.pageBytes(shape), in: memory)
        super.init(shape: shape, pages: pages)
    }
}

/// Kept rows, as kept.cuh lays them out, on the card or in the host's memory.
///
/// `@unchecked Sendable`: as `KeptRows`.
final class CUDAKeptRows: KeptRows, @unchecked Sendable {
    let storage: any CUDAPages
    let isOnHost: Bool
    var base: CUdeviceptr { storage.base }

    /// Bytes of a row: 16 bits a value with a scale for each 64 of them, or 32.
    static func rowBytes(_ shape: Shape) -> Int {
        let short = (2 * shape.columns + 3) / 4 * 4 + 4 * ((shape.columns + 63) / 64)
        return ((shape.isExact ? 4 * shape.columns : short) + 15) / 16 * 16
    }

    /// Where a card does not reach main memory at its addresses, rows stay on the card.
    static func liesOnHost(_ shape: Shape, beside device: CUDADevice) -> Bool {
        shape.isOffloaded && device.sharesHostAddresses
    }

    /// Bytes that one position takes, wherever it lies.
    static func positionBytes(_ shape: Shape) -> Int { shape.streams * rowBytes(shape) }

    init(
        _ shape: Shape, pages: Int, in memory: DeviceMemory, _ context: CUDAContext, _ work: LaunchQueue
    ) throws(TensorError) {
        let pageBytes = KeyValueCache.pageTokens * Self.positionBytes(shape)
        isOnHost = Self.liesOnHost(shape, beside: context.device)
        storage =
            isOnHost
            ? try HostPages(pages, of: pageBytes, context, work) : try CardPages(pages, of: pageBytes, in: memory)
        super.init(shape: shape, pages: pages)
    }
}

extension PagedMemory {
    /// The pages themselves, whatever lies in them.
    var room: any CUDAPages {
        switch self {
        case let cache as CUDAKeyValueCache: cache.storage
        case let kept as CUDAKeptRows: kept.storage
        default: preconditionFailure("pages of another device")
        }
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
