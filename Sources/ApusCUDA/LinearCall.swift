internal import ApusTensor
internal import CCUDA

/// A weight and where its product goes.
struct LinearTile {
    let weight: CUDAWeight
    var bias: CUdeviceptr?
    /// [row][output], or the sums of leaves, [leaf][row][output], without the bias.
    let y: CUdeviceptr
    let isParts: Bool
}

/// What comes after the tiles of a product: the sum of its leaves, its adapter, or both; as `Finish` in linear_finish.cuh.
struct LinearFinish {
    var y: CUdeviceptr?
    var parts: CUdeviceptr?
    var bias: CUdeviceptr?
    var lowRank: LowRank?
    var projected: CUdeviceptr?
    var projectedParts: CUdeviceptr?
    let outputs: Int
    let leaves: Int

    var isNeeded: Bool { parts != nil || lowRank != nil }

    func structure(end: Int) -> KernelStructure {
        var structure = KernelStructure()
        for pointer in [y, parts, bias, lowRank?.b.cuda.address, projected, projectedParts] { structure.append(pointer) }
        structure.append(outputs, leaves)
        structure.append(lowRank?.rank ?? 0, lowRank?.a.cuda.leaves ?? 0)
        structure.append(end)
        return structure
    }
}

/// How rows and leaves are divided among blocks; no bit depends on it.
struct LinearPlan {
    /// Rows that are taken as they are, which needs no other kernel before.
    static let fewRows = 8
    /// Products of a launch of tiles, and of one that finishes, which are half of them with adapters.
    static let (mostTiles, mostProducts) = (8, 4)
    /// What rounded rows and sums of leaves may take of the scratch room.
    static let scratchBytes = RowSums.partsBytes
    private static let (warpOutputs, mostWarps) = (32, 8)

    let warps: Int
    /// Rows of a tile.
    let tile: Int
    /// Whether a block has all leaves of its outputs.
    let isWhole: Bool

    /// - Parameter multiprocessors: blocks that run at a time.
    init(rows: Int, weights: [CUDAWeight], multiprocessors: Int) {
        let widest = weights.map(\.outputs).max() ?? 1
        let warps = min(Self.mostWarps, (widest + Self.warpOutputs - 1) / Self.warpOutputs)
        self.warps = warps
        guard rows > Self.fewRows else {
            (tile, isWhole) = (Self.fewRows, false)
            return
        }
        let blocks = weights.reduce(0) { $0 + Self.blocks($1, warps: warps) }
        func wholeBlocks(_ tile: Int) -> Int { blocks * ((rows + tile - 1) / tile) }
        let hasLeaves = weights.contains { $0.leaves > 1 }
        let partBytes = weights.reduce(0) { $0 + Self.partBytes($1, rows: rows) }
        let roomForParts = Self.scratchBytes - Self.roundedBytes(rows: rows, columns: weights.first?.inputs ?? 0)
        isWhole = hasLeaves && (wholeBlocks(64) >= multiprocessors || partBytes > roomForParts)
        tile = isWhole && rows > 32 && wholeBlocks(64) < multiprocessors ? 32 : 64
    }

    /// Blocks of a product for a tile of rows and one leaf.
    func blocks(_ weight: CUDAWeight) -> Int { Self.blocks(weight, warps: warps) }

    private static func blocks(_ weight: CUDAWeight, warps: Int) -> Int {
        (weight.outputs + warps * warpOutputs - 1) / (warps * warpOutputs)
    }

    /// Whether a weight's leaves are summed afterwards.
    func hasParts(_ weight: CUDAWeight) -> Bool { !isWhole && weight.leaves > 1 }

    /// Bytes of the sums of leaves; on multiples of 256, as all rooms.
    static func partBytes(_ weight: CUDAWeight, rows: Int) -> Int {
        weight.leaves > 1 ? (4 * weight.leaves * rows * weight.outputs + 255) / 256 * 256 : 0
    }

    /// Values in a row that is rounded to bf16, in whole 64s.
    static func roundedWidth(_ columns: Int) -> Int { (columns + 63) / 64 * 64 }

    static func roundedBytes(rows: Int, columns: Int) -> Int { (2 * rows * roundedWidth(columns) + 255) / 256 * 256 }

    /// Ranges of rows that find room together when they are rounded.
    static func slabs(rows: Int, columns: Int) -> [Range<Int>] {
        let length = max(16, scratchBytes / max(1, 2 * roundedWidth(columns)) / 64 * 64)
        return stride(from: 0, to: rows, by: length).map { $0..<min($0 + length, rows) }
    }

    /// Bytes of shared memory: rows on their way, and a table where weights are NF4.
    static func sharedBytes(_ kinds: [WeightKind]) -> Int { kinds.contains(.nf4) ? 64 << 10 : 32 << 10 }
}
