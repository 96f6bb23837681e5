public import ApusTensor
internal import CCUDA
internal import Dispatch
internal import Foundation
internal import Synchronization

extension KernelName {
    static let packF32 = KernelName("apus_pack_f32")
    static let packBF16 = KernelName("apus_pack_bf16")
    static let packInt8 = KernelName("apus_pack_int8")
    static let packNF4 = KernelName("apus_pack_nf4")
    static let packCodes = KernelName("apus_pack_codes")
    static let unpackCodes = KernelName("apus_unpack_codes")
    static let roundToNF4 = KernelName("apus_round_to_nf4")
    static let roundToInt8 = KernelName("apus_round_to_int8")
    static let embed = KernelName("apus_embed")
}

/// fp32 rows of a weight on the card.
private struct WeightRows {
    let values: CUdeviceptr
    let outputs: Range<Int>
    let inputs: Int

    var count: Int { outputs.count * inputs }
}

extension CUDABackend {
    /// Values that come to the card at a time.
    private static let chunkValues = 4 << 20
    /// As many as are worth a thread of their own.
    private static let threadValues = 64 << 10

    // MARK: Weights

    /// See `Backend`. Rows come in chunks of whole 64s, so that neither chunks of a weight nor blocks of NF4 lie in two of
    /// them. All processors read one chunk, into pinned memory, while the card takes and packs the one before.
    public func makeWeight<E: Error>(
        _ format: WeightFormat, outputs: Int, inputs: Int,
        rows read: (Range<Int>, UnsafeMutableBufferPointer<Float>) throws(E) -> Void
    ) throws -> Weight {
        let weight = try makeRoom(format, outputs: outputs, inputs: inputs)
        let ranges = Self.chunks(outputs: outputs, inputs: inputs)
        let staging = try weightStaging(4 * (ranges.first?.count ?? 0) * inputs)
        for range in ranges {
            let bytes = try staging.take(4 * range.count * inputs)
            try Self.readOnAllProcessors(range, inputs, bytes.bindMemory(to: Float.self), read)
            let room = scratch(bytes.count)
            attempt { () throws(TensorError) in try send(bytes, to: room) }
            let uploaded = WeightRows(values: room, outputs: range, inputs: inputs)
            if weight.kind != WeightKind(format, inputs: 64) { round(uploaded, to: format) }
            pack(uploaded, into: weight)
        }
        return weight
    }

    private func makeRoom(_ format: WeightFormat, outputs: Int, inputs: Int) throws(TensorError) -> CUDAWeight {
        _ = try CUDAWeight.byteCount(format, outputs: outputs, inputs: inputs)
        return try CUDAWeight(format, outputs: outputs, inputs: inputs, in: memory)
    }

    private static func chunks(outputs: Int, inputs: Int) -> [Range<Int>] {
        let length = 64 * max(1, chunkValues / (64 * max(inputs, 1)))
        return stride(from: 0, to: outputs, by: length).map { $0..<min($0 + length, outputs) }
    }

    /// Two segments of at least so many bytes.
    private func weightStaging(_ bytes: Int) throws(TensorError) -> Staging {
        let wanted = max(bytes, 4 * Self.chunkValues)
        if let staging = weightStaging, staging.segmentBytes >= wanted { return staging }
        try synchronize()
        weightStaging = nil
        let made = try Staging(segments: 2, of: wanted, for: queue.stream, context)
        weightStaging = made
        return made
    }

    /// Reads rows in parts, at the same time.
    private static func readOnAllProcessors<E: Error>(
        _ range: Range<Int>, _ inputs: Int, _ values: UnsafeMutableBufferPointer<Float>,
        _ read: (Range<Int>, UnsafeMutableBufferPointer<Float>) throws(E) -> Void
    ) throws(E) {
        let most = max(1, min(ProcessInfo.processInfo.activeProcessorCount, values.count / threadValues))
        let size = max(1, (range.count + most - 1) / most)
        let failure = Mutex<E?>(nil)
        withoutActuallyEscaping(read) { read in
            // Parts do not meet, and who gives rows lets several threads ask for them: that is the contract.
            nonisolated(unsafe) let (read, values) = (read, values)
            DispatchQueue.concurrentPerform(iterations: (range.count + size - 1) / size) { part in
                let (first, end) = (part * size, min((part + 1) * size, range.count))
                do throws(E) {
                    try read(
                        range.lowerBound + first..<range.lowerBound + end,
                        UnsafeMutableBufferPointer(rebasing: values[first * inputs..<end * inputs]))
                } catch {
                    failure.withLock { $0 = $0 ?? error }
                }
            }
        }
        if let error = failure.withLock({ $0 }) { throw error }
    }

    /// See `Backend`.
    public func makeWeight(_ stored: NF4Matrix) throws -> Weight {
        let inputs = stored.inputs
        let weight = try makeRoom(.nf4, outputs: stored.outputs, inputs: inputs)
        for range in Self.chunks(outputs: stored.outputs, inputs: inputs) {
            // Beginnings are multiples of 64; ends need not be.
            let (first, count) = (range.lowerBound * inputs, range.count * inputs)
            let codes = stored.codes[first / 2..<(first + count + 1) / 2]
            let scales = stored.scales[first / 64..<(first + count + 63) / 64]
            let values = scratch(4 * count + 4 * scales.count + codes.count)
            let scaleRoom = values + CUdeviceptr(4 * count)
            let codeRoom = scaleRoom + CUdeviceptr(4 * scales.count)
            scales.withUnsafeBytes { copy($0, to: scaleRoom) }
            codes.withUnsafeBytes { copy($0, to: codeRoom) }
            if weight.kind == .nf4 {
                launch(
                    .packCodes, blocks: chunkBlocks(weight, range.count), threads: Self.rowThreads,
                    .pointer(codeRoom), .pointer(scaleRoom), .integer(range.count), .integer(inputs),
                    .pointer(place(of: range, in: weight)))
            } else {
                launch(
                    .unpackCodes, blocks: pieces(count, Self.rowThreads), threads: Self.rowThreads,
                    .pointer(codeRoom), .pointer(scaleRoom), .long(count), .pointer(values))
                pack(WeightRows(values: values, outputs: range, inputs: inputs), into: weight)
            }
        }
        return weight
    }

    /// See `Backend`.
    public func byteCount(_ format: WeightFormat, outputs: Int, inputs: Int) throws -> Int {
        try CUDAWeight.byteCount(format, outputs: outputs, inputs: inputs)
    }

    /// See `Backend`.
    public func makeAdapterWeight(outputs: Int, inputs: Int, beside base: WeightFormat) throws -> Weight {
        try CUDAWeight(Self.adapterFormat(beside: base), outputs: outputs, inputs: inputs, in: memory)
    }

    /// See `Backend`.
    public func adapterByteCount(outputs: Int, inputs: Int, beside base: WeightFormat) throws -> Int {
        WeightKind(Self.adapterFormat(beside: base), inputs: inputs).byteCount(outputs: outputs, inputs: inputs)
    }

    /// What the products of the weight beside it read.
    private static func adapterFormat(beside base: WeightFormat) -> WeightFormat { base == .f32 ? .f32 : .bf16 }

    /// See `Backend`. One kernel for each matrix.
    public func repack(_ items: [Repacking]) {
        for item in items {
            let weight = item.weight.cuda
            pack(
                WeightRows(values: item.values.address, outputs: 0..<weight.outputs, inputs: weight.inputs),
                times: item.scale, into: weight)
        }
    }

    /// Replaces values by those that a form would give them.
    private func round(_ rows: WeightRows, to format: WeightFormat) {
        if format == .nf4 {
            launch(
                .roundToNF4, blocks: pieces(rows.count, 64 * Self.rowThreads / 32), threads: Self.rowThreads,
                .pointer(rows.values), .long(rows.count))
        } else {
            // As many share a scale as divide both a row and 32.
            let group = 1 << min(5, max(rows.inputs, 1).trailingZeroBitCount)
            launch(
                .roundToInt8, blocks: pieces(rows.count, Self.rowThreads), threads: Self.rowThreads,
                .pointer(rows.values), .long(rows.count), .integer(group))
        }
    }

    /// Packs rows, times a factor.
    private func pack(_ rows: WeightRows, times factor: Float = 1, into weight: CUDAWeight) {
        let kernel: KernelName =
            switch weight.kind {
            case .f32: .packF32
            case .bf16: .packBF16
            case .int8: .packInt8
            case .nf4: .packNF4
            }
        let place = KernelArgument.pointer(place(of: rows.outputs, in: weight))
        if weight.kind == .f32 {
            launch(
                kernel, blocks: flatBlocks(rows.count), threads: Self.rowThreads, .pointer(rows.values),
                .long(rows.count), .float(factor), place)
        } else {
            launch(
                kernel, blocks: chunkBlocks(weight, rows.outputs.count), threads: Self.rowThreads,
                .pointer(rows.values), .integer(rows.outputs.count), .integer(rows.inputs), .float(factor), place)
        }
    }

    /// A warp packs a chunk.
    private func chunkBlocks(_ weight: CUDAWeight, _ rows: Int) -> Int {
        let chunks = pieces(rows, WeightKind.chunkOutputs) * pieces(weight.inputs, weight.kind.chunk?.inputs ?? 1)
        return pieces(chunks, Self.rowThreads / 32)
    }

    /// Where rows that begin with a whole chunk lie.
    private func place(of outputs: Range<Int>, in weight: CUDAWeight) -> CUdeviceptr {
        weight.address + CUdeviceptr(weight.kind.byteCount(outputs: outputs.lowerBound, inputs: weight.inputs))
    }

    // MARK: Looking up

    /// See `Backend`.
    public func embed(_ tokens: Indices, table: Weight, into x: Matrix) {
        precondition(x.rows == tokens.count && x.columns == table.inputs, "shapes differ")
        let table = table.cuda
        launch(
            .embed, blocks: warpBlocks(rows: x.rows, columns: x.columns), threads: Self.rowThreads, tokens.argument,
            .integer(x.rows), .integer(table.kind.rawValue), .pointer(table.address), .integer(table.inputs),
            x.argument)
    }
}
