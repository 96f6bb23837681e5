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
    static let embed = KernelName("apus_embed")
}

extension CUDABackend {
    /// Values that come to the card at a time.
    private static let chunkValues = 4 << 20
    /// As many as are worth a thread of their own.
    private static let threadValues = 64 << 10

    // MARK: Weights

    /// See `Backend`. Rows come in chunks of whole 64s, so that blocks of NF4 never lie in two of them. All processors read
    /// one chunk, into pinned memory, while the card takes and packs the one before.
    public func makeWeight<E: Error>(
        _ format: WeightFormat, outputs: Int, inputs: Int,
        rows read: (Range<Int>, UnsafeMutableBufferPointer<Float>) throws(E) -> Void
    ) throws -> Weight {
        let weight = try CUDAWeight(format, outputs: outputs, inputs: inputs, in: memory)
        let chunk = min(outputs, 64 * max(1, Self.chunkValues / (64 * max(inputs, 1))))
        let staging = try weightStaging(4 * chunk * inputs)
        for first in stride(from: 0, to: outputs, by: max(chunk, 1)) {
            let range = first..<min(first + chunk, outputs)
            let bytes = try staging.take(4 * range.count * inputs)
            try Self.readOnAllProcessors(range, inputs, bytes.bindMemory(to: Float.self), read)
            let room = scratch(bytes.count)
            attempt { () throws(TensorError) in try send(bytes, to: room) }
            pack(room, range.count * inputs, into: weight, at: first * inputs)
        }
        return weight
    }

    /// Two segments of at least so many bytes.
    private func weightStaging(_ bytes: Int) throws(TensorError) -> Staging {
        let wanted = max(bytes, 4 * Self.chunkValues)
        if let staging = weightStaging, staging.segmentBytes >= wanted { return staging }
        try synchronize()
        weightStaging = nil
        let made = try Staging(segments: 2, of: wanted, for: stream, context)
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
