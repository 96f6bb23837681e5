internal import ApusTensor
internal import CCUDA

/// What tiles read: rows, in bf16 where they are rounded, and the room behind them for sums of leaves.
struct LinearInput {
    /// Rows that are taken as they are, which needs no kernel before.
    static let fewRows = 16
    /// What rounded rows may take of the scratch room, and what rows and sums of leaves may take of it together.
    private static let mostBytes = 12 << 20
    static let mostBytesWithParts = RowSums.partsBytes

    let rows: Int
    let columns: Int
    let source: CUdeviceptr
    let room: CUdeviceptr

    /// Bytes for sums of leaves.
    var roomBytes: Int { Self.mostBytesWithParts - Self.bytes(rows: rows, columns: columns) }

    /// Values in a row that is rounded, in whole 64s.
    static func width(_ columns: Int) -> Int { (columns + 63) / 64 * 64 }

    /// On multiples of 256, as all rooms.
    static func bytes(rows: Int, columns: Int) -> Int {
        rows <= fewRows ? 0 : (2 * rows * width(columns) + 255) / 256 * 256
    }

    /// Ranges of rows that find room together.
    static func slabs(rows: Int, columns: Int) -> [Range<Int>] {
        let length = max(16, mostBytes / max(1, 2 * width(columns)) / 64 * 64)
        return stride(from: 0, to: rows, by: length).map { $0..<min($0 + length, rows) }
    }
}

/// What is computed of a product: its module, its adapter's projection, or both.
struct LinearWork {
    let module: (weight: CUDAWeight, bias: CUdeviceptr?, y: CUdeviceptr)?
    let adapter: (lowRank: LowRank, projected: CUdeviceptr)?
    /// Whether the projection is not there yet.
    let projects: Bool

    /// - Parameter rows: of the product's matrices.
    init(_ product: LinearProduct, rows: Range<Int>, module hasModule: Bool = true, projects: Bool = true) {
        module = (hasModule ? product.output : nil).map {
            (product.weight.cuda, product.bias?.address, $0.rows(rows).address)
        }
        adapter = product.adapter.map { ($0.lowRank, $0.projected.rows(rows).address) }
        self.projects = projects && adapter != nil
    }

    /// The weights that rows are multiplied by.
    var weights: [CUDAWeight] { [module?.weight, projects ? adapter?.lowRank.a.cuda : nil].compactMap(\.self) }
}

/// How rows and leaves are divided among blocks; no bit depends on it.
struct LinearPlan {
    /// A kernel of linear.cuh.
    enum Kernel { case eight, sixteen, leaves, whole, wide }

    /// The card, as far as it matters.
    struct Card {
        /// Blocks that run at a time.
        let multiprocessors: Int
        /// Bytes that a block may have.
        let sharedMemory: Int
    }

    static let tile = 64
    private static let (warpOutputs, mostWarps) = (32, 8)
    /// Bytes of the sums that threads of the widest kernel have in shared memory.
    private static let totalBytes = 512

    let kernel: Kernel
    let warps: Int
    /// Rows of a tile.
    let tile: Int
    let sharedBytes: Int

    init(_ input: LinearInput, _ weights: [CUDAWeight], on card: Card) {
        let widest = weights.map(\.outputs).max() ?? 1
        let warps = min(Self.mostWarps, (widest + Self.warpOutputs - 1) / Self.warpOutputs)
        let blocks = weights.reduce(0) { $0 + Self.blocks($1, warps: warps) }
        let partBytes = weights.reduce(0) { $0 + Self.partBytes($1, rows: input.rows) }
        let rowBytes = Self.sharedBytes(weights.map(\.kind))
        let wideBytes = rowBytes + 32 * warps * Self.totalBytes
        (kernel, tile) = Self.choice(
            rows: input.rows, blocks: blocks, hasParts: partBytes > 0, roomForParts: partBytes <= input.roomBytes,
            canBeWide: wideBytes <= card.sharedMemory, multiprocessors: card.multiprocessors)
        self.warps = warps
        sharedBytes = kernel == .wide ? wideBytes : rowBytes
    }

    /// - Parameter blocks: of a tile of rows.
    private static func choice(
        rows: Int, blocks: Int, hasParts: Bool, roomForParts: Bool, canBeWide: Bool, multiprocessors: Int
    ) -> (Kernel, tile: Int) {
        guard rows > 8 else { return (.eight, 8) }
        guard rows > LinearInput.fewRows else { return (.sixteen, LinearInput.fewRows) }
        func tiles(_ tile: Int) -> Int { blocks * ((rows + tile - 1) / tile) }
        if hasParts, roomForParts, tiles(tile) < multiprocessors { return (.leaves, tile) }
        // A tile's time, by the instructions of the loops.
        let base: Kernel = hasParts ? .whole : .leaves
        var choices: [(kernel: Kernel, tile: Int, time: Double)] = [(base, tile, 1), (base, tile / 2, 0.66)]
        if canBeWide { choices.append((.wide, 2 * tile, 1.56)) }
        func time(_ choice: (kernel: Kernel, tile: Int, time: Double)) -> Double {
            choice.time * Double((tiles(choice.tile) + multiprocessors - 1) / multiprocessors)
        }
        let best = choices.min { time($0) < time($1) } ?? choices[0]
        return (best.kernel, best.tile)
    }

    /// Rows on their way, and a table where weights are NF4.
    static func sharedBytes(_ kinds: [WeightKind]) -> Int { kinds.contains(.nf4) ? 64 << 10 : 32 << 10 }

    /// Whether a block has all leaves of its outputs.
    private var isWhole: Bool { kernel == .whole || kernel == .wide }

    /// Blocks for a tile of rows.
    func blocks(_ weight: CUDAWeight) -> Int {
        Self.blocks(weight, warps: warps) * (isWhole ? 1 : weight.leaves)
    }

    private static func blocks(_ weight: CUDAWeight, warps: Int) -> Int {
        (weight.outputs + warps * warpOutputs - 1) / (warps * warpOutputs)
    }

    /// Whether a weight's leaves are summed afterwards.
    func hasParts(_ weight: CUDAWeight) -> Bool { !isWhole && weight.leaves > 1 }

    /// Bytes of the sums of leaves, on multiples of 256.
    static func partBytes(_ weight: CUDAWeight, rows: Int) -> Int {
        weight.leaves > 1 ? (4 * weight.leaves * rows * weight.outputs + 255) / 256 * 256 : 0
    }
}

/// The launches of some work: tiles, as `Call` in linear.cuh, and what comes after them, as `FinishCall` in linear_finish.cuh.
struct LinearLaunches {
    /// Products in a call, and tiles: of modules and of projections.
    static let mostProducts = 4

    private let input: LinearInput
    private let plan: LinearPlan
    private var room: CUdeviceptr
    private var call = KernelStructure()
    private var finishCall = KernelStructure()
    private(set) var blocks = 0
    private(set) var finishBlocks = 0
    /// A warp of the second launch has 16 outputs.
    let finishWarps: Int

    init(_ work: [LinearWork], _ input: LinearInput, _ plan: LinearPlan) {
        (self.input, self.plan, room) = (input, plan, input.room)
        let tiles = work.compactMap(\.module).map { ($0.weight.outputs + 15) / 16 }
        finishWarps = max(1, min(8, tiles.max() ?? 1))
        call.append(input.source)
        call.append(input.rows, input.columns)
        call.append(plan.tile)
        finishCall.append(input.rows)
        for item in work { add(item) }
    }

    var structure: KernelStructure { call.padded(to: 3 + 10 * 2 * Self.mostProducts) }
    var finishStructure: KernelStructure { finishCall.padded(to: 1 + 9 * Self.mostProducts) }

    private mutating func add(_ work: LinearWork) {
        var projectedParts: CUdeviceptr?
        if work.projects, let (lowRank, projected) = work.adapter {
            projectedParts = addTiles(lowRank.a.cuda, bias: nil, adapter: Self.noAdapter, to: projected)
        }
        let adapter = work.adapter.map { Self.structure($0.lowRank, $0.projected, parts: projectedParts) }
        guard let (weight, bias, y) = work.module else {
            if projectedParts != nil, let adapter { addFinish(nil, nil, bias: nil, adapter: adapter, of: nil) }
            return
        }
        // A product that is complete takes what its adapter adds with it, if that is known.
        let isLate = plan.hasParts(weight) || work.projects
        let early = isLate ? nil : adapter
        let parts = addTiles(weight, bias: bias, adapter: early ?? Self.noAdapter, to: y)
        guard parts != nil || (isLate && adapter != nil) else { return }
        addFinish(y, parts, bias: bias, adapter: adapter ?? Self.noAdapter, of: weight)
    }

    /// Adds tiles and gives where the sums of leaves go, unless the tiles are complete.
    private mutating func addTiles(
        _ weight: CUDAWeight, bias: CUdeviceptr?, adapter: KernelStructure, to y: CUdeviceptr
    ) -> CUdeviceptr? {
        let parts = plan.hasParts(weight) ? room : nil
        if parts != nil { room += CUdeviceptr(LinearPlan.partBytes(weight, rows: input.rows)) }
        blocks += plan.blocks(weight)
        call.append(weight.address)
        call.append(bias)
        call.append(adapter)
        call.append(parts ?? y)
        call.append(weight.kind.rawValue, weight.outputs)
        call.append(weight.leafInputs, parts == nil ? 0 : 1)
        call.append(blocks)
        return parts
    }

    /// - Parameter weight: nil where there is only a projection to sum.
    private mutating func addFinish(
        _ y: CUdeviceptr?, _ parts: CUdeviceptr?, bias: CUdeviceptr?, adapter: KernelStructure, of weight: CUDAWeight?
    ) {
        let outputs = weight?.outputs ?? 0
        finishBlocks += max(1, (outputs + 16 * finishWarps - 1) / (16 * finishWarps))
        for pointer in [y, parts, bias] { finishCall.append(pointer) }
        finishCall.append(adapter)
        finishCall.append(outputs, weight?.leaves ?? 0)
        finishCall.append(finishBlocks)
    }

    private static let noAdapter = KernelStructure().padded(to: 4)

    private static func structure(
        _ lowRank: LowRank, _ projected: CUdeviceptr, parts: CUdeviceptr?
    ) -> KernelStructure {
        var structure = KernelStructure()
        for pointer in [lowRank.b.cuda.address, projected, parts] { structure.append(pointer) }
        structure.append(lowRank.rank, lowRank.a.cuda.leaves)
        return structure
    }
}
