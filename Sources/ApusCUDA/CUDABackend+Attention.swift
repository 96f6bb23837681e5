public import ApusTensor
internal import CCUDA

extension KernelName {
    static let attentionDots = KernelName("apus_attention_dots")
    static let attentionAddPrefixes = KernelName("apus_attention_add_prefixes")
    static let flashCombine = KernelName("apus_flash_combine")
}

/// The tiles of a batch on the card, made by `prepare`.
struct CUDAAttention {
    let kernels: AttentionKernels
    let tiles: AttentionTiles
    /// What few queries with many keys are cut into.
    let splits: AttentionTiles.Splits?
    let wide, narrow, backward, keys, promptRows, children: Indices

    /// Bytes that operations work in; `prepare` makes room for them.
    let scratchBytes: Int

    /// - Parameter lists: those of the tiles, on the card.
    init(
        _ tiles: AttentionTiles, _ lists: [Indices], _ kernels: AttentionKernels, _ batch: PackedBatch, isTraining: Bool
    ) {
        (self.tiles, self.kernels) = (tiles, kernels)
        splits = AttentionTiles.Splits(tiles, maxContext: batch.maxContext, kernels)
        (wide, narrow, backward, keys, promptRows, children) = (
            lists[0], lists[1], lists[2], lists[3], lists[4], lists[5]
        )
        let backwardBytes = isTraining ? tiles.backwardBytes(rows: batch.rows, kernels) : 0
        scratchBytes = max(splits?.bytes ?? 0, backwardBytes)
    }
}

/// What kernels of attention are told about a layer.
private struct AttentionLayer {
    let kernels: AttentionKernels
    let pages, stride, tables, heads, keyValueHeads, size, scale, softCap, window: KernelArgument
    /// Bytes of shared memory that 16 rows of a head take: in fp32, with the layout of attention.cuh, or in bf16, with
    /// that of flash.cuh.
    private let plainRows: Int
    private let flashRows: Int

    init(_ cache: KeyValueCache, _ layer: Int, _ rule: AttentionRule, _ pass: CUDAPass) {
        let shape = cache.shape
        precondition(shape == pass.attention.kernels.shape, "a pass for another cache")
        kernels = pass.attention.kernels
        (pages, stride) = cache.cuda.layer(layer)
        tables = pass.tables.argument
        (heads, keyValueHeads, size) = (
            .integer(shape.heads), .integer(shape.keyValueHeads), .integer(shape.headSize)
        )
        (scale, softCap, window) = (.float(rule.scale), .float(rule.softCap ?? 0), .integer(rule.window ?? 0))
        plainRows = 16 * 4 * 4 * ((shape.headSize + 3) / 4 | 1)
        flashRows = 16 * (2 * shape.headSize + 16)
    }

    /// The last part of a kernel's name.
    var format: String { kernels.shape.format == .f32 ? "f32" : "bf16" }
    var headSize: Int { kernels.shape.headSize }

    // Queries, keys and values, and weights.
    var plainBytes: Int { 3 * plainRows + 4 * 256 }
    /// Two sorts of rows that stay and two that come, weights and their gradients.
    var plainBackwardBytes: Int { 4 * plainRows + 2 * 4 * 256 }
    /// 64 keys and as many values; queries that find no room in registers.
    var attendBytes: Int { (headSize <= 128 ? 2 : 3) * 4 * flashRows }
    /// Three times 64 keys or values, or two; queries; weights; and what warps tell each other.
    var decodeBytes: Int { (headSize <= 128 ? 3 : 2) * 4 * flashRows + flashRows + 16 * (2 * 64 + 16) + 4 * (64 + 256) }
    /// Twice 32 keys and values.
    var flashQueriesBytes: Int { 2 * 4 * flashRows }
    /// 64 keys and values; twice 32 rows of q and dOut, with three numbers for each.
    var flashKeysBytes: Int { 4 * 4 * flashRows + 3 * 4 * 64 }

    /// Heads of a row that a block takes, and blocks that a row takes.
    func cut(queries: Int) -> (heads: Int, blocks: Int) {
        let heads = kernels.heads(queries: queries)
        return (heads, kernels.shape.heads / heads)
    }
}

extension CUDAKeyValueCache {
    /// The pages as the kernels see those of one layer, and how many elements lie between two of them.
    fileprivate func layer(_ layer: Int) -> (pages: KernelArgument, stride: KernelArgument) {
        precondition(0..<shape.layers ~= layer, "no such layer")
        let count = 2 * Self.pageTokens * shape.headSize * shape.keyValueHeads
        let offset = layer * count * (isExact ? 4 : 2)
        return (.pointer(base + CUdeviceptr(offset)), .long(count * shape.layers))
    }
}

extension CUDABackend {
    private static let attentionThreads = 128

    // MARK: Forward

    /// See `Backend`.
    public func writeKeysAndValues(_ k: Matrix, _ v: Matrix, cache: KeyValueCache, layer: Int, _ pass: Pass) {
        let (shape, pass) = (cache.shape, pass.cuda)
        let width = shape.keyValueHeads * shape.headSize
        precondition([k, v].allSatisfy { $0.rows == pass.rows && $0.columns == width }, "shapes differ")
        let (pages, stride) = cache.cuda.layer(layer)
        launch(
            KernelName("apus_write_pages_\(cache.cuda.isExact ? "f32" : "bf16")"), blocks: pass.writeRows.count,
            threads: Self.attentionThreads, k.argument, v.argument, pages, stride, pass.writeRows.argument,
            pass.writeSlots.argument, .integer(shape.keyValueHeads), .integer(shape.headSize))
    }

    /// See `Backend`. Format and head size decide between tensor cores and plain arithmetic; which tiles the rows are
    /// in and whether blocks share a row's keys changes no bit.
    public func attention(
        _ q: Matrix, cache: KeyValueCache, layer: Int, rule: AttentionRule, _ pass: Pass, into out: Matrix,
        logSumExp: Matrix?
    ) {
        let (shape, pass) = (cache.shape, pass.cuda)
        precondition(
            [q, out].allSatisfy { $0.rows == pass.rows && $0.columns == shape.heads * shape.headSize }, "shapes differ")
        let layer = AttentionLayer(cache, layer, rule, pass)
        let (tiles, sums) = (pass.attention, KernelArgument.pointer(logSumExp?.address))
        if layer.kernels.isFlash {
            attendToMany(layer, tiles, q, out, sums)
            attendToFew(layer, tiles, q, out, sums)
        } else {
            let (heads, blocks) = layer.cut(queries: AttentionKernels.narrowQueries)
            launch(
                KernelName("apus_attention_\(layer.format)"), blocks: tiles.narrow.count / AttentionTiles.queryEntry,
                blocks, threads: Self.attentionThreads, sharedBytes: layer.plainBytes, q.argument, out.argument, sums,
                layer.pages, layer.stride, layer.tables, tiles.narrow.argument, layer.heads, layer.keyValueHeads,
                .integer(heads), layer.size, layer.scale, layer.softCap, layer.window)
        }
    }

    /// Tiles of up to 64 queries.
    private func attendToMany(
        _ layer: AttentionLayer, _ tiles: CUDAAttention, _ q: Matrix, _ out: Matrix, _ sums: KernelArgument
    ) {
        let (heads, blocks) = layer.cut(queries: AttentionKernels.wideQueries)
        launch(
            KernelName("apus_flash_attend_\(layer.headSize)"), blocks: tiles.wide.count / AttentionTiles.queryEntry,
            blocks, threads: Self.attentionThreads, sharedBytes: layer.attendBytes, q.argument, out.argument, sums,
            layer.pages, layer.stride, layer.tables, tiles.wide.argument, layer.heads, layer.keyValueHeads,
            .integer(heads), layer.scale, layer.softCap, layer.window)
    }

    /// Tiles of up to 16 queries.
    private func attendToFew(
        _ layer: AttentionLayer, _ tiles: CUDAAttention, _ q: Matrix, _ out: Matrix, _ sums: KernelArgument
    ) {
        let (heads, blocks) = layer.cut(queries: AttentionKernels.narrowQueries)
        let (count, splits) = (tiles.narrow.count / AttentionTiles.queryEntry, tiles.splits)
        let parts = splits.map { scratch($0.bytes) }
        let shares = splits.flatMap { splits in parts.map { $0 + CUdeviceptr(splits.sumBytes) } }
        let (queries, splitCount) = (KernelArgument.integer(splits?.queries ?? 0), splits?.count ?? 1)
        launch(
            KernelName("apus_flash_decode_\(layer.headSize)"), blocks: count, blocks, splitCount,
            threads: Self.attentionThreads, sharedBytes: layer.decodeBytes, q.argument, out.argument, sums,
            layer.pages, layer.stride, layer.tables, tiles.narrow.argument, layer.heads, layer.keyValueHeads,
            .integer(heads), layer.scale, layer.softCap, layer.window, .pointer(parts), .pointer(shares), queries,
            .integer(splitCount))
        guard splits != nil else { return }
        launch(
            .flashCombine, blocks: count, blocks, threads: Self.attentionThreads, out.argument, sums,
            tiles.narrow.argument, layer.heads, .integer(heads), layer.size, layer.window, .pointer(parts),
            .pointer(shares), queries, .integer(splitCount))
    }

    // MARK: Backward

    /// See `Backend`. What segments add to prompts' rows lies in the prefix before it is added, segment by segment.
    public func attentionBackward(
        _ q: Matrix, out: Matrix, dOut: Matrix, logSumExp: Matrix, cache: KeyValueCache, layer: Int,
        rule: AttentionRule, _ pass: Pass, dq: Matrix, dk: Matrix, dv: Matrix
    ) {
        let (shape, pass) = (cache.shape, pass.cuda)
        let (width, keyWidth) = (shape.heads * shape.headSize, shape.keyValueHeads * shape.headSize)
        precondition([q, out, dOut, dq].allSatisfy { $0.rows == pass.rows && $0.columns == width }, "shapes differ")
        precondition([dk, dv].allSatisfy { $0.rows == pass.rows && $0.columns == keyWidth }, "shapes differ")
        let (layer, tiles) = (AttentionLayer(cache, layer, rule, pass), pass.attention)
        let isFlash = layer.kernels.isFlashBackward
        let room = AttentionTiles.BackwardRoom(rows: pass.rows, tiles.tiles, layer.kernels)
        let base = scratch(room.bytes)
        func place(_ offset: Int) -> KernelArgument { .pointer(base + CUdeviceptr(offset)) }
        let (roundedQ, roundedDOut) =
            isFlash ? (place(room.roundedQ), place(room.roundedDOut)) : (.pointer(nil), .pointer(nil))
        let rows = QueryRows(
            q: isFlash ? roundedQ : q.argument, dOut: isFlash ? roundedDOut : dOut.argument,
            logSumExp: logSumExp.argument, dots: place(room.dots))
        let gradients = KeyGradients(keys: dk.argument, values: dv.argument, prefix: place(room.prefix))
        let queries = pass.rows * shape.heads
        launch(
            .attentionDots, blocks: pieces(queries, 4), threads: Self.attentionThreads, q.argument, out.argument,
            dOut.argument, rows.dots, roundedQ, roundedDOut, .integer(queries), layer.size)
        if isFlash {
            flashBackward(layer, tiles, rows, dq.argument, gradients)
        } else {
            plainBackward(layer, tiles, rows, dq.argument, gradients)
        }
        launch(
            .attentionAddPrefixes, blocks: tiles.promptRows.count / AttentionTiles.promptEntry,
            threads: Self.attentionThreads, gradients.keys, gradients.values, gradients.prefix,
            tiles.promptRows.argument, tiles.children.argument, .integer(keyWidth))
    }

    private func flashBackward(
        _ layer: AttentionLayer, _ tiles: CUDAAttention, _ rows: QueryRows, _ dq: KernelArgument,
        _ gradients: KeyGradients
    ) {
        let (heads, blocks) = layer.cut(queries: AttentionKernels.wideQueries)
        launch(
            KernelName("apus_flash_dq_\(layer.headSize)"), blocks: tiles.backward.count / AttentionTiles.queryEntry,
            blocks, threads: Self.attentionThreads, sharedBytes: layer.flashQueriesBytes, rows.q, rows.dOut,
            rows.logSumExp, rows.dots, dq, layer.pages, layer.stride, layer.tables, tiles.backward.argument,
            layer.heads, layer.keyValueHeads, .integer(heads), layer.scale, layer.softCap, layer.window)
        launch(
            KernelName("apus_flash_dkdv_\(layer.headSize)"), blocks: tiles.keys.count / AttentionTiles.keyEntry,
            layer.kernels.shape.keyValueHeads, threads: Self.attentionThreads, sharedBytes: layer.flashKeysBytes,
            rows.q, rows.dOut, rows.logSumExp, rows.dots, gradients.keys, gradients.values, gradients.prefix,
            layer.pages, layer.stride, layer.tables, tiles.keys.argument, layer.heads, layer.keyValueHeads,
            layer.scale, layer.softCap, layer.window)
    }

    private func plainBackward(
        _ layer: AttentionLayer, _ tiles: CUDAAttention, _ rows: QueryRows, _ dq: KernelArgument,
        _ gradients: KeyGradients
    ) {
        let (heads, blocks) = layer.cut(queries: AttentionKernels.narrowQueries)
        // As the forward pass has rounded them, where it has.
        let rounds = KernelArgument.integer(layer.kernels.isFlash ? 1 : 0)
        launch(
            KernelName("apus_attention_dq_\(layer.format)"), blocks: tiles.backward.count / AttentionTiles.queryEntry,
            blocks, threads: Self.attentionThreads, sharedBytes: layer.plainBackwardBytes, rows.q, rows.dOut,
            rows.logSumExp, rows.dots, dq, layer.pages, layer.stride, layer.tables, tiles.backward.argument,
            layer.heads, layer.keyValueHeads, .integer(heads), layer.size, layer.scale, layer.softCap, layer.window,
            rounds)
        launch(
            KernelName("apus_attention_dkdv_\(layer.format)"), blocks: tiles.keys.count / AttentionTiles.keyEntry,
            layer.kernels.shape.keyValueHeads, threads: Self.attentionThreads, sharedBytes: layer.plainBackwardBytes,
            rows.q, rows.dOut, rows.logSumExp, rows.dots, gradients.keys, gradients.values, gradients.prefix,
            layer.pages, layer.stride, layer.tables, tiles.keys.argument, layer.heads, layer.keyValueHeads,
            layer.size, layer.scale, layer.softCap, layer.window, rounds)
    }
}

/// What queries bring to the backward pass.
private struct QueryRows {
    let q, dOut, logSumExp, dots: KernelArgument
}

/// Where the gradients of keys and values go.
private struct KeyGradients {
    let keys, values, prefix: KernelArgument
}
