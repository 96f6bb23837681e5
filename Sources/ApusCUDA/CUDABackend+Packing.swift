public import ApusTensor
internal import CCUDA

extension KernelName {
    static let packF32 = KernelName("apus_pack_f32")
    static let packBF16 = KernelName("apus_pack_bf16")
    static let packInt8 = KernelName("apus_pack_int8")
    static let packNF4 = KernelName("apus_pack_nf4")
    static let embed = KernelName("apus_embed")
}

extension CUDABackend {
    /// Values that come to the card at a time.
    private static let chunkValues = 4 << 20

    // MARK: Weights

    /// See `Backend`. Rows come in chunks of whole 64s, so that blocks of NF4 never lie in two of them; the card packs
    /// one while the host reads the next.
    public func makeWeight<E: Error>(
        _ format: WeightFormat, outputs: Int, inputs: Int,
        rows read: (Range<Int>, UnsafeMutableBufferPointer<Float>) throws(E) -> Void
    ) throws -> Weight {
        let weight = try CUDAWeight(format, outputs: outputs, inputs: inputs, in: memory)
        let chunk = min(outputs, 64 * max(1, Self.chunkValues / (64 * max(inputs, 1))))
        let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: chunk * inputs)
        defer { values.deallocate() }
        for first in stride(from: 0, to: outputs, by: max(chunk, 1)) {
            let range = first..<min(first + chunk, outputs)
            let rows = UnsafeMutableBufferPointer(rebasing: values[..<(range.count * inputs)])
            try read(range, rows)
            let room = scratch(4 * rows.count)
            copy(UnsafeRawBufferPointer(rows), to: room)
            pack(room, rows.count, into: weight, at: first * inputs)
        }
        return weight
    }

    /// See `Backend`.
    public func makeWeight(_ stored: NF4Matrix) throws -> Weight {
        let weight = try CUDAWeight(.nf4, outputs: stored.outputs, inputs: stored.inputs, in: memory)
        stored.codes.withUnsafeBytes { copy($0, to: weight.values) }
        if let scales = weight.scales { stored.scales.withUnsafeBytes { copy($0, to: scales) } }
        return weight
    }

    /// See `Backend`.
    public func byteCount(_ format: WeightFormat, outputs: Int, inputs: Int) throws -> Int {
        try CUDAWeight.Size(format, outputs: outputs, inputs: inputs).byteCount
    }

    /// See `Backend`.
    public func makeAdapterWeight(outputs: Int, inputs: Int, beside base: WeightFormat) throws -> Weight {
        try CUDAWeight(
            Self.adapterFormat(inputs: inputs, beside: base), outputs: outputs, inputs: inputs, in: memory)
    }

    /// See `Backend`.
    public func adapterByteCount(outputs: Int, inputs: Int, beside base: WeightFormat) throws -> Int {
        try byteCount(Self.adapterFormat(inputs: inputs, beside: base), outputs: outputs, inputs: inputs)
    }

    /// What the products of the weight beside it read; fp32 for an odd number of inputs.
    private static func adapterFormat(inputs: Int, beside base: WeightFormat) -> WeightFormat {
        base == .f32 || inputs % 2 != 0 ? .f32 : .bf16
    }

    /// See `Backend`. One kernel for each matrix.
    public func repack(_ items: [Repacking]) {
        for item in items {
            pack(item.values.address, item.values.count, times: item.scale, into: item.weight.cuda, at: 0)
        }
    }

    /// Packs fp32 values on the card, times a factor, to a place in the flattened matrix that is a multiple of 64.
    private func pack(
        _ values: CUdeviceptr, _ count: Int, times factor: Float = 1, into weight: CUDAWeight, at first: Int
    ) {
        let (threads, value) = (Self.rowThreads, KernelArgument.pointer(values))
        func place(_ base: CUdeviceptr?, _ bytes: Int) -> KernelArgument {
            .pointer(base.map { $0 + CUdeviceptr(bytes) })
        }
        switch weight.kind {
        case .f32:
            launch(
                .packF32, blocks: flatBlocks(count), threads: threads, value, .long(count), .float(factor),
                place(weight.values, 4 * first))
        case .bf16:
            launch(
                .packBF16, blocks: flatBlocks(count), threads: threads, value, .long(count), .float(factor),
                place(weight.values, 2 * first))
        case .int8:
            let group = CUDAWeight.int8Group(weight.inputs)
            launch(
                .packInt8, blocks: pieces(count, threads), threads: threads, value, .long(count), .float(factor),
                .integer(group), place(weight.values, first), place(weight.scales, 4 * (first / group)))
        case .nf4:
            launch(
                .packNF4, blocks: pieces(count, 64 * threads / 32), threads: threads, value, .long(count),
                .float(factor), place(weight.values, first / 2), place(weight.scales, 4 * (first / 64)))
        }
    }

    // MARK: Looking up

    /// See `Backend`.
    public func embed(_ tokens: Indices, table: Weight, into x: Matrix) {
        precondition(x.rows == tokens.count && x.columns == table.inputs, "shapes differ")
        let table = table.cuda
        launch(
            .embed, blocks: warpBlocks(rows: x.rows, columns: x.columns), threads: Self.rowThreads, tokens.argument,
            .integer(x.rows), .integer(table.kind.rawValue), .pointer(table.values), .pointer(table.scales),
            .integer(table.inputs), .integer(CUDAWeight.int8Group(table.inputs)), x.argument)
    }
}
