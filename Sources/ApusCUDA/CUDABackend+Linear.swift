public import ApusTensor
internal import CCUDA

extension KernelName {
    static let linear8 = KernelName("apus_linear_8")
    static let linear16 = KernelName("apus_linear_16")
    static let linearLeaves = KernelName("apus_linear_leaves")
    static let linearWhole = KernelName("apus_linear_whole")
    static let linearWide = KernelName("apus_linear_wide")
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
                [product.output, product.projected].allSatisfy { $0.map { $0.rows == x.rows } ?? true }, "shapes differ"
            )
        }
        let exact = products.filter { $0.weight.cuda.kind == .f32 }
        let others = products.filter { $0.weight.cuda.kind != .f32 }
        for product in exact { multiplyExact(x, product) }
        for first in stride(from: 0, to: others.count, by: LinearLaunches.mostProducts) {
            let some = Array(others[first..<min(first + LinearLaunches.mostProducts, others.count)])
            for rows in LinearInput.slabs(rows: x.rows, columns: x.columns) { multiply(x, rows, some) }
        }
    }

    // MARK: Tensor cores

    /// The products of some rows. Mostly modules and projections share a launch, and another one adds what adapters add;
    /// for many rows that would read and write every output once more, and projections come first.
    private func multiply(_ x: Matrix, _ rows: Range<Int>, _ products: [LinearProduct]) {
        let input = makeInput(x, rows)
        let work = products.map { LinearWork($0, rows: rows) }
        let modules = work.compactMap(\.module).map(\.weight)
        let plan = LinearPlan(input, modules, on: card)
        let areComplete = !modules.isEmpty && !modules.contains(where: plan.hasParts)
        guard rows.count > LinearPlan.tile, areComplete, work.contains(where: \.projects) else {
            return run(work, input)
        }
        run(products.map { LinearWork($0, rows: rows, module: false) }, input)
        run(products.map { LinearWork($0, rows: rows, projects: false) }, input)
    }

    /// Rows as tiles read them, in the scratch room.
    private func makeInput(_ x: Matrix, _ rows: Range<Int>) -> LinearInput {
        let bytes = LinearInput.bytes(rows: rows.count, columns: x.columns)
        // All of it: who asks again is somebody else.
        let room = scratch(LinearInput.mostBytesWithParts)
        if bytes > 0 { roundRows(x.rows(rows), to: room) }
        return LinearInput(
            rows: rows.count, columns: x.columns, source: bytes > 0 ? room : x.rows(rows).address,
            room: room + CUdeviceptr(bytes))
    }

    private var card: LinearPlan.Card {
        LinearPlan.Card(multiprocessors: device.multiprocessors, sharedMemory: device.sharedMemory)
    }

    private func run(_ work: [LinearWork], _ input: LinearInput) {
        let plan = LinearPlan(input, work.flatMap(\.weights), on: card)
        let launches = LinearLaunches(work, input, plan)
        let kernel: KernelName =
            switch plan.kernel {
            case .eight: .linear8
            case .sixteen: .linear16
            case .leaves: .linearLeaves
            case .whole: .linearWhole
            case .wide: .linearWide
            }
        launch(
            kernel, blocks: launches.blocks, pieces(input.rows, plan.tile), threads: 32 * plan.warps,
            sharedBytes: plan.sharedBytes, .structure(launches.structure))
        launch(
            .linearFinish, blocks: launches.finishBlocks, pieces(input.rows, 8), threads: 32 * launches.finishWarps,
            .structure(launches.finishStructure))
    }

    /// Rounds rows to bf16.
    private func roundRows(_ x: Matrix, to room: CUdeviceptr) {
        let width = LinearInput.width(x.columns)
        roundRows(x, to: room, stride: width, width: width)
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
        for rows in LinearInput.slabs(rows: dy.rows, columns: dy.columns) {
            let source = scratch(2 * rows.count * LinearInput.width(dy.columns))
            roundRows(dy.rows(rows), to: source)
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
