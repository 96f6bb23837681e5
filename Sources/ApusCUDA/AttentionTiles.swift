internal import ApusTensor

/// Which kernels of attention take a cache's pages. The cache alone decides: a query's bits depend on it.
struct AttentionKernels {
    let shape: KeyValueCache.Shape
    /// Whether the forward pass runs on tensor cores, with queries rounded to bf16.
    let isFlash: Bool
    /// Whether the backward pass does; where not, it is plain, on the same rounded queries.
    let isFlashBackward: Bool

    /// Queries that a block of tensor cores takes, of many rows and of few; a plain one takes the second number.
    static let (wideQueries, narrowQueries) = (64, 16)
    /// The head sizes that kernels of tensor cores exist for; see flash_forward.cuh and flash_backward.cuh.
    private static let (flashSizes, flashBackwardSizes) = ([16, 32, 64, 80, 96, 128, 256], [16, 32, 64, 96, 128])

    /// - Throws: `TensorError` for heads that no kernel takes.
    init(_ shape: KeyValueCache.Shape) throws(TensorError) {
        guard shape.headSize.isMultiple(of: 2) && 2...256 ~= shape.headSize else {
            throw TensorError(
                "CUDA: heads of \(shape.headSize) values, wanted an even number of up to 256; use the device cpu")
        }
        self.shape = shape
        isFlash = shape.format == .fixed && Self.flashSizes.contains(shape.headSize)
        isFlashBackward = isFlash && Self.flashBackwardSizes.contains(shape.headSize)
    }

    /// Query heads that share a key/value head.
    var group: Int { shape.heads / shape.keyValueHeads }
    /// Keys that a block of the backward pass takes.
    var keys: Int { isFlashBackward ? 64 : KeyValueCache.pageTokens }
    /// Values in a row of keys.
    var width: Int { shape.keyValueHeads * shape.headSize }

    /// Heads of a row that a block of so many queries takes: the most that divide a group.
    func heads(queries: Int) -> Int {
        (1...min(group, queries)).last { group.isMultiple(of: $0) } ?? 1
    }

    /// Rows of a block of so many queries.
    func rows(queries: Int) -> Int { queries / heads(queries: queries) }
}

/// How the kernels of attention walk over a batch: lists of numbers, laid out as attention.cuh and
/// attention_backward.cuh read them, what takes longest first.
struct AttentionTiles {
    /// Of tiles of queries: first row, rows, first position, table.
    static let queryEntry = 4
    /// Of tiles of keys: their segment as a tile of queries, first key, line of position 0 in the prefix or -1.
    static let keyEntry = 6
    /// Of prompts' rows: row, position, first and end of the children that add to it.
    static let promptEntry = 4
    /// Of children: line of position 0 in the prefix, positions before the segment.
    static let childEntry = 2
    /// Keys of which the kernels make a softmax of their own, before they combine.
    static let splitKeys = 512

    /// The forward pass, of 64 queries and of 16.
    private(set) var wide: [Int32] = []
    private(set) var narrow: [Int32] = []
    /// Rows of the largest tile of 16 queries.
    private(set) var narrowRows = 0
    /// The backward pass.
    private(set) var backward: [Int32] = []
    private(set) var keys: [Int32] = []
    private(set) var promptRows: [Int32] = []
    private(set) var children: [Int32] = []
    /// Positions before segments that have a prompt: the prefix has a line of keys' and values' gradients for each.
    private(set) var prefixLines = 0

    /// - Parameter isTraining: whether a backward pass follows.
    init(_ batch: PackedBatch, _ kernels: AttentionKernels, isTraining: Bool) {
        var (wide, narrow): ([Tile], [Tile]) = ([], [])
        let narrowRows = kernels.rows(queries: AttentionKernels.narrowQueries)
        let wideRows = kernels.isFlash ? kernels.rows(queries: AttentionKernels.wideQueries) : narrowRows
        for segment in batch.segments {
            for tile in Tile.cut(segment, rows: wideRows) {
                // What is left of a segment, and a row that is decoded, needs no more than a small one.
                if kernels.isFlash && tile.rows > narrowRows { wide.append(tile) } else { narrow.append(tile) }
            }
        }
        self.wide = Self.sorted(wide)
        self.narrow = Self.sorted(narrow)
        self.narrowRows = narrow.lazy.map(\.rows).max() ?? 0
        guard isTraining else { return }
        let queries = kernels.isFlashBackward ? AttentionKernels.wideQueries : AttentionKernels.narrowQueries
        let rows = kernels.rows(queries: queries)
        backward = Self.sorted(batch.segments.flatMap { Tile.cut($0, rows: rows) })
        appendKeys(batch.segments, count: kernels.keys)
    }

    /// All of them, in the order in which `CUDAAttention` takes them.
    var lists: [[Int32]] { [wide, narrow, backward, keys, promptRows, children] }

    /// Some rows of a segment.
    private struct Tile {
        let firstRow, rows, firstPosition, tableOffset: Int

        static func cut(_ segment: Segment, rows: Int) -> [Tile] {
            stride(from: 0, to: segment.rows, by: rows).map { row in
                Tile(
                    firstRow: segment.firstRow + row, rows: min(rows, segment.rows - row),
                    firstPosition: segment.firstPosition + row, tableOffset: segment.tableOffset)
            }
        }

        var numbers: [Int32] { [Int32(firstRow), Int32(rows), Int32(firstPosition), Int32(tableOffset)] }
    }

    /// Those that see most come first.
    private static func sorted(_ tiles: [Tile]) -> [Int32] {
        tiles.sorted { ($0.firstPosition + $0.rows, $0.firstRow) > ($1.firstPosition + $1.rows, $1.firstRow) }
            .flatMap(\.numbers)
    }

    /// Keys of the rows' own positions and, where a prompt wants their gradients, of those before.
    private mutating func appendKeys(_ segments: [Segment], count: Int) {
        var tiles: [(rows: Int, numbers: [Int32])] = []
        // Of each prompt, by its first row, its children in the order of their segments.
        var families: [Int: [(line: Int, positions: Int)]] = [:]
        for segment in segments where segment.rows > 0 {
            var line = -1
            if let parent = segment.parentFirstRow, segment.firstPosition > 0 {
                line = prefixLines
                prefixLines += segment.firstPosition
                families[parent, default: []].append((line, segment.firstPosition))
            }
            let own = Tile.cut(segment, rows: segment.rows)[0].numbers
            let first = line >= 0 ? 0 : segment.firstPosition / count * count
            for key in stride(from: first, to: segment.firstPosition + segment.rows, by: count) {
                let seeing = segment.rows - max(0, key - segment.firstPosition)
                tiles.append((seeing, own + [Int32(key), Int32(line)]))
            }
        }
        keys = tiles.enumerated().sorted { ($0.element.rows, $1.offset) > ($1.element.rows, $0.offset) }
            .flatMap(\.element.numbers)
        for (parent, family) in families.sorted(by: { $0.key < $1.key }) {
            let begin = Int32(children.count / Self.childEntry)
            for child in family { children += [Int32(child.line), Int32(child.positions)] }
            let end = Int32(children.count / Self.childEntry)
            for position in 0..<(family.map(\.positions).max() ?? 0) {
                promptRows += [Int32(parent + position), Int32(position), begin, end]
            }
        }
    }

    // MARK: Working room

    /// Bytes that the backward pass works in.
    func backwardBytes(rows: Int, _ kernels: AttentionKernels) -> Int {
        BackwardRoom(rows: rows, self, kernels).bytes
    }

    /// Where the backward pass keeps what its kernels tell each other, in bytes from the start: all on multiples of
    /// 256.
    struct BackwardRoom {
        let dots, roundedQ, roundedDOut, prefix, bytes: Int

        init(rows: Int, _ tiles: AttentionTiles, _ kernels: AttentionKernels) {
            var end = 0
            func reserve(_ bytes: Int) -> Int {
                defer { end = (end + bytes + 255) / 256 * 256 }
                return end
            }
            let queries = rows * kernels.shape.heads
            let rounded = kernels.isFlashBackward ? 2 * queries * kernels.shape.headSize : 0
            dots = reserve(4 * queries)
            roundedQ = reserve(rounded)
            roundedDOut = reserve(rounded)
            prefix = reserve(4 * tiles.prefixLines * 2 * kernels.width)
            bytes = end
        }
    }

    /// Splits of the keys that blocks of threads take apart from each other, because the tiles alone would not keep a
    /// card busy; nil where they would. No bit depends on it.
    struct Splits {
        let count: Int
        /// Queries of a tile that there is room for.
        let queries: Int
        /// Bytes of the sums, after which the shares come.
        let sumBytes: Int
        let bytes: Int

        /// Blocks that keep a card busy, and what they may work in.
        private static let (busyBlocks, mostBytes) = (256, 64 << 20)

        init?(_ tiles: AttentionTiles, maxContext: Int, _ kernels: AttentionKernels) {
            let heads = kernels.heads(queries: AttentionKernels.narrowQueries)
            let blocks = tiles.narrow.count / AttentionTiles.queryEntry * (kernels.shape.heads / heads)
            count = (maxContext + AttentionTiles.splitKeys - 1) / AttentionTiles.splitKeys
            queries = tiles.narrowRows * heads
            let lines = blocks * queries * count
            sumBytes = (4 * lines * kernels.shape.headSize + 255) / 256 * 256
            bytes = sumBytes + 8 * lines
            guard kernels.isFlash, count > 1, blocks < Self.busyBlocks, bytes <= Self.mostBytes else { return nil }
        }

        /// The most bytes that splits take, whatever the batch.
        static var largest: Int { mostBytes }
    }
}
