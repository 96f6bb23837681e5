public import ApusTensor
internal import CKernels
internal import Foundation

extension CPUBackend {
    /// Rows that one thread reads and packs at a time: whole panels of every width (8, 16, 64), so that threads never meet
    /// in a byte, and with them whole blocks of 64 of the flattened matrix, which NF4 is quantised in. As few of them as
    /// make the values stay in the core's own cache until they are packed.
    private static func packedRows(_ inputs: Int) -> Int {
        64 * max(1, min(192, packedBytes / (4 * max(1, inputs))) / 64)
    }

    private static let packedBytes = 256 << 10

    /// Packs a weight from fp32 rows, some on each thread; NF4 is quantised here, as bitsandbytes does it.
    ///
    /// - Throws: What `rows` throws; `TensorError` for a shape that the format cannot hold, or without memory.
    public func makeWeight<E: Error>(
        _ format: WeightFormat, outputs: Int, inputs: Int,
        rows read: (Range<Int>, UnsafeMutableBufferPointer<Float>) throws(E) -> Void
    ) throws -> Weight {
        let group = Self.scaleGroup(inputs, format)
        let weight = try CPUWeight(format, outputs: outputs, inputs: inputs, group: group, kernels: kernels.linear)
        let packedRows = Self.packedRows(inputs)
        let parts = (outputs + packedRows - 1) / packedRows
        var failures = [E?](repeating: nil, count: parts)
        failures.withUnsafeMutableBufferPointer { failures in
            let failures = UncheckedBuffer(failures)
            split(parts) { _, parts in
                let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: packedRows * inputs)
                defer { values.deallocate() }
                for part in parts {
                    let first = part * packedRows
                    let range = first..<min(first + packedRows, outputs)
                    let rows = UnsafeMutableBufferPointer(rebasing: values[0..<range.count * inputs])
                    do throws(E) {
                        try read(range, rows)
                        self.pack(weight, range, rows)
                    } catch {
                        failures.buffer[part] = error
                    }
                }
            }
        }
        if let failure = failures.compactMap(\.self).first { throw failure }
        try weight.checkScales()
        return weight
    }

    private func pack(_ weight: CPUWeight, _ range: Range<Int>, _ rows: UnsafeMutableBufferPointer<Float>) {
        guard let base = rows.baseAddress else { return }
        if weight.format == .nf4 {
            packNF4(weight, range, base)
        } else {
            withUnsafePointer(to: weight.packed) {
                kernels.linear.pack($0, Int32(range.lowerBound), Int32(range.count), base, weight.inputs)
            }
        }
    }

    /// Packs a weight whose codes and scales come from a file.
    ///
    /// - Throws: `TensorError` for a shape that the format cannot hold, or without memory.
    public func makeWeight(_ stored: NF4Matrix) throws -> Weight {
        let (outputs, inputs) = (stored.outputs, stored.inputs)
        let group = Self.scaleGroup(inputs)
        let weight = try CPUWeight(.nf4, outputs: outputs, inputs: inputs, group: group, kernels: kernels.linear)
        var codes = [UInt8](repeating: 0, count: outputs * inputs)
        for index in codes.indices {
            let byte = stored.codes[index / 2]
            codes[index] = index % 2 == 0 ? byte >> 4 : byte & 15
        }
        let perGroup = Self.spread(stored.scales, group: group, count: outputs * inputs)
        kernels.linear.pack_nf4(&weight.packed, 0, Int32(outputs), codes, perGroup)
        try weight.checkScales()
        return weight
    }

    /// See `Backend`.
    public func packedParts(of weight: Weight) -> [any SharedBytes] { weight.cpu.storages }

    /// The instruction set and its layout's number: what packed bytes mean depends on both.
    public var weightLayout: String? { "cpu-\(instructionSet.rawValue)-\(APUS_WEIGHT_LAYOUT)" }

    /// A weight that was packed before, copied from where it lies.
    ///
    /// - Throws: `TensorError` when the parts are not what a weight of this format and shape takes.
    public func makeWeight(
        _ format: WeightFormat, outputs: Int, inputs: Int, packed parts: [SharedPart]
    ) throws -> Weight {
        try CPUWeight(
            format, outputs: outputs, inputs: inputs, group: Self.scaleGroup(inputs, format), kernels: kernels.linear,
            parts: parts)
    }

    /// Reserves an adapter matrix: as exact as the products of the weights that it stands beside.
    ///
    /// - Throws: `TensorError` when the system has no memory for it.
    public func makeAdapterWeight(outputs: Int, inputs: Int, beside base: WeightFormat) throws -> Weight {
        let format: WeightFormat =
            switch base {
            case .f32: .f32
            case .bf16: kernels.linear.row_format(APUS_WEIGHT_BF16) != APUS_ROWS_F32 ? .bf16 : .f32
            case .half, .int8, .nf4: .half
            }
        // Its rows are the base's, in blocks of the base's groups.
        return try CPUWeight(
            inputs % 2 == 0 ? format : .f32, outputs: outputs, inputs: inputs, group: Self.scaleGroup(inputs, base),
            kernels: kernels.linear)
    }

    /// See `Backend`.
    public func repack(_ items: [Repacking]) {
        for item in items { repack(item.weight.cpu, from: item.values, scale: item.scale) }
    }

    private func repack(_ weight: CPUWeight, from values: Matrix, scale: Float) {
        let inputs = weight.inputs
        let source = values.pointer
        split(weight.outputs) { _, rows in
            let row = UnsafeMutablePointer<Float>.allocate(capacity: inputs)
            defer { row.deallocate() }
            withUnsafePointer(to: weight.packed) { packed in
                for r in rows {
                    for k in 0..<inputs { row[k] = source[r * inputs + k] * scale }
                    self.kernels.linear.pack(packed, Int32(r), 1, row, inputs)
                }
            }
        }
    }

    private func packNF4(_ weight: CPUWeight, _ range: Range<Int>, _ values: UnsafeMutablePointer<Float>) {
        let inputs = weight.inputs
        let group = Int(weight.packed.group)
        let count = range.count * inputs
        var codes = [UInt8](repeating: 0, count: count)
        var scales = [Float](repeating: 0, count: (count + 63) / 64)
        kernels.linear.quantize_nf4(values, count, &codes, &scales)
        let perGroup = Self.spread(scales, group: group, count: count)
        kernels.linear.pack_nf4(&weight.packed, Int32(range.lowerBound), Int32(range.count), codes, perGroup)
    }

    /// The largest group of inputs that never crosses a block of 64 of the flattened matrix, or of 32 of 8-bit integers.
    static func scaleGroup(_ inputs: Int, _ format: WeightFormat = .nf4) -> Int {
        var (a, b) = (inputs, format == .int8 ? 32 : 64)
        while b != 0 { (a, b) = (b, a % b) }
        return a
    }

    /// One scale for each group in place of one for each block of 64.
    static func spread(_ scales: [Float], group: Int, count: Int) -> [Float] {
        group == 64 ? scales : (0..<count / group).map { scales[$0 * group / 64] }
    }
}
