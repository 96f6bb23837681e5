public import ApusTensor
internal import CCUDA

extension KernelName {
    static let linearFew = KernelName("apus_linear_few")
    static let linearLeaves = KernelName("apus_linear_leaves")
    static let linearWhole = KernelName("apus_linear_whole")
    static let linearFinish = KernelName("apus_linear_finish")
    static let linearF32 = KernelName("apus_linear_f32")
    static let linearBackwardF32 = KernelName("apus_linear_backward_f32")

    static func linearBackward(_ kind: WeightKind) -> KernelName { KernelName("apus_linear_backward_\(kind.name)") }
}

extension CUDABackend {
    /// See `Backend`. An adapter's two products come after its module's.
    public func linear(_ x: Matrix, _ products: [LinearProduct], for use: ProductUse) {
        if use == .gradients, multiplyByLibrary(x, products) { return }
        for product in products {
            precondition(x.columns == product.weight.inputs, "shapes differ")
            precondition(
                [product.output, product.projected].allSatisfy { $0.map { $0.rows == x.rows } ?? true }, "shapes differ")
        }
        let exact = products.filter { $0.weight.cuda.kind == .f32 }
        let others = products.filter { $0.weight.cuda.kind != .f32 }
        for product in exact { multiplyExact(x, product) }
        for first in stride(from: 0, to: others.count, by: LinearPlan.mostProducts) {
            let some = Array(others[first..<min(first + LinearPlan.mostProducts, others.count)])
            for rows in LinearPlan.slabs(rows: x.rows, columns: x.columns) { multiply(x, rows, some) }
        }
    }

    // MARK: Tensor cores

    /// The products of some rows: rounded rows, unless they are few; tiles of all products and of the adapters' first ones;
    /// and what comes after.
    private func multiply(_ x: Matrix, _ rows: Range<Int>, _ products: [LinearProduct]) {
        let weights = products.flatMap { product in
            [product.output.map { _ in product.weight.cuda }, product.adapter?.lowRank.a.cuda].compactMap(\.self)
        }
        let plan = LinearPlan(rows: rows.count, weights: weights, multiprocessors: device.multiprocessors)
        let isRounded = rows.count > LinearPlan.fewRows
        let roundedBytes = isRounded ? LinearPlan.roundedBytes(rows: rows.count, columns: x.columns) : 0
        let partBytes = weights.reduce(0) {
            $0 + (plan.hasParts($1) ? LinearPlan.partBytes($1, rows: rows.count) : 0)
        }
        let room = scratch(roundedBytes + partBytes)
        let source = isRounded ? rounded(x.rows(rows), in: room) : x.rows(rows).address
        var parts = room + CUdeviceptr(roundedBytes)
        var tiles: [LinearTile] = []
        /// Adds a product's tiles and gives where its leaves are, if they are to be summed.
        func add(_ weight: CUDAWeight, _ bias: CUdeviceptr?, _ y: CUdeviceptr) -> CUdeviceptr? {
            guard plan.hasParts(weight) else {
                tiles.append(LinearTile(weight: weight, bias: bias, y: y, isParts: false))
                return nil
            }
            defer { parts += CUdeviceptr(LinearPlan.partBytes(weight, rows: rows.count)) }
            tiles.append(LinearTile(weight: weight, bias: nil, y: parts, isParts: true))
            return parts
        }
        let finishes = products.map { product in
            let weight = product.weight.cuda
            var finish = LinearFinish(outputs: product.output == nil ? 0 : weight.outputs, leaves: weight.leaves)
            if let output = product.output {
                (finish.y, finish.bias) = (output.rows(rows).address, product.bias?.address)
                finish.parts = add(weight, finish.bias, output.rows(rows).address)
            }
            if let (lowRank, projected) = product.adapter {
                (finish.lowRank, finish.projected) = (lowRank, projected.rows(rows).address)
                finish.projectedParts = add(lowRank.a.cuda, nil, projected.rows(rows).address)
            }
            return finish
        }
        launch(tiles, plan, source, rows: rows.count, inputs: x.columns)
        launch(finishes.filter(\.isNeeded), rows: rows.count)
    }

    private func launch(_ tiles: [LinearTile], _ plan: LinearPlan, _ source: CUdeviceptr, rows: Int, inputs: Int) {
        var (call, end) = (KernelStructure(), 0)
        call.append(source)
        call.append(rows, inputs)
        call.append(plan.tile)
        for tile in tiles {
            end += plan.blocks(tile.weight) * (plan.isWhole ? 1 : tile.weight.leaves)
            for pointer in [tile.weight.address, tile.bias, tile.y] { call.append(pointer) }
            call.append(tile.weight.kind.rawValue, tile.weight.outputs)
            call.append(tile.weight.leafInputs, tile.isParts ? 1 : 0)
            call.append(end)
        }
        call.pad(to: 3 + 6 * LinearPlan.mostTiles)
        let kernel: KernelName =
            rows <= LinearPlan.fewRows ? .linearFew : plan.isWhole ? .linearWhole : .linearLeaves
        launch(
            kernel, blocks: end, pieces(rows, plan.tile), threads: 32 * plan.warps,
            sharedBytes: LinearPlan.sharedBytes(tiles.map(\.weight.kind)), .structure(call))
    }

    /// A warp has 16 outputs of eight rows.
    private func launch(_ finishes: [LinearFinish], rows: Int) {
        let tiles = finishes.map { max(1, pieces($0.outputs, WeightKind.chunkOutputs)) }
        let warps = min(8, tiles.max() ?? 1)
        var (call, end) = (KernelStructure(), 0)
        call.append(rows)
        for (finish, count) in zip(finishes, tiles) {
            end += pieces(count, warps)
            call.append(finish.structure(end: end))
        }
        call.pad(to: 1 + 9 * LinearPlan.mostProducts)
        launch(.linearFinish, blocks: end, pieces(rows, 8), threads: 32 * warps, .structure(call))
    }

    /// Rounds rows to bf16 and gives where they lie.
    private func rounded(_ x: Matrix, in room: CUdeviceptr) -> CUdeviceptr {
        let width = LinearPlan.roundedWidth(x.columns)
        roundRows(x, to: room, stride: width, width: width)
        return room
    }

    /// dx = dy W, or dx += dy W.
    func multiplyBackward(_ dy: Matrix, _ weight: Weight, into dx: Matrix, accumulates: Bool) {
        precondition(dy.columns == weight.outputs && dx.columns == weight.inputs && dx.rows == dy.rows, "shapes differ")
        let own = weight.cuda
        guard own.kind != .f32 else {
            return launchExact(.linearBackwardF32, dy, own, bias: nil, into: dx, accumulates: accumulates)
        }
        // Two tiles of 64 outputs are unpacked beside what the products of a tile have in shared memory.
        let sharedBytes = LinearPlan.sharedBytes([own.kind]) + 2 * 64 * (2 * 128 + 16)
        for rows in LinearPlan.slabs(rows: dy.rows, columns: dy.columns) {
            let room = scratch(LinearPlan.roundedBytes(rows: rows.count, columns: dy.columns))
            let source = rounded(dy.rows(rows), in: room)
            launch(
                .linearBackward(own.kind), blocks: pieces(weight.inputs, 128), pieces(rows.count, 128),
                threads: 256, sharedBytes: sharedBytes, .pointer(source), .pointer(own.address),
                dx.rows(rows).argument, .integer(rows.count), .integer(weight.outputs), .integer(weight.inputs),
                .integer(accumulates ? 1 : 0))
        }
    }

    // MARK: fp32

    private func multiplyExact(_ x: Matrix, _ product: LinearProduct) {
        func multiply(_ x: Matrix, _ weight: Weight, _ bias: Matrix?, into y: Matrix, accumulates: Bool) {
            launchExact(
                .linearF32, x, weight.cuda, bias: bias?.address, into: y, accumulates: accumulates)
        }
        if let output = product.output { multiply(x, product.weight, product.bias, into: output, accumulates: false) }
        guard let (lowRank, projected) = product.adapter else { return }
        multiply(x, lowRank.a, nil, into: projected, accumulates: false)
        if let output = product.output { multiply(projected, lowRank.b, nil, into: output, accumulates: true) }
    }

    /// A block has 32 rows and columns of y.
    private func launchExact(
        _ kernel: KernelName, _ x: Matrix, _ weight: CUDAWeight, bias: CUdeviceptr?, into y: Matrix, accumulates: Bool
    ) {
        launch(
            kernel, blocks: pieces(y.columns, 32), pieces(y.rows, 32), threads: 256, x.argument,
            .pointer(weight.address), .pointer(bias), y.argument, .integer(y.rows), .integer(weight.outputs),
            .integer(weight.inputs), .integer(accumulates ? 1 : 0))
    }

    func pieces(_ count: Int, _ size: Int) -> Int { (count + size - 1) / size }

    // MARK: Gradients

    /// See `Backend`.
    public func linearBackward(_ gradients: [LinearGradient], input x: Matrix, dx: Matrix?, accumulate: Bool) {
        if multiplyBackwardByLibrary(gradients, input: x, dx: dx, accumulate: accumulate) { return }
        for gradient in gradients {
            guard let adapter = gradient.adapter else { continue }
            multiplyBackward(gradient.dOutput, adapter.lowRank.b, into: adapter.dProjected, accumulates: false)
            addOuterProduct(adapter.dProjected, x, to: adapter.aGradient)
            addOuterProduct(gradient.dOutput, adapter.projected, to: adapter.bGradient, alpha: adapter.scale)
        }
        guard let dx else { return }
        for (index, gradient) in gradients.enumerated() {
            multiplyBackward(gradient.dOutput, gradient.weight, into: dx, accumulates: accumulate || index > 0)
            guard let adapter = gradient.adapter else { continue }
            multiplyBackward(adapter.dProjected, adapter.lowRank.a, into: dx, accumulates: true)
        }
    }
}
