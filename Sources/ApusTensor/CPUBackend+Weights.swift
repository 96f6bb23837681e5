internal import CKernels
internal import Foundation

extension CPUBackend {
    /// Packs a weight from fp32 rows, a few at a time; NF4 is quantised here, as bitsandbytes does it.
    public func makeWeight<E: Error>(
        _ format: WeightFormat, outputs: Int, inputs: Int,
        rows read: (Range<Int>, UnsafeMutableBufferPointer<Float>) throws(E) -> Void
    ) throws -> Weight {
        let group = Self.scaleGroup(inputs)
        let weight = try Weight(format, outputs: outputs, inputs: inputs, group: group, kernels: kernels.linear)
        // NF4 blocks of 64 run over the flattened matrix: whole blocks need a multiple of 64 / group rows.
        let chunk = max(1, 262_144 / inputs / 64) * 64
        let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: min(chunk, outputs) * inputs)
        defer { values.deallocate() }
        for first in stride(from: 0, to: outputs, by: chunk) {
            let range = first..<min(first + chunk, outputs)
            let part = UnsafeMutableBufferPointer(rebasing: values[0..<range.count * inputs])
            try read(range, part)
            guard let base = part.baseAddress else { continue }
            if format == .nf4 {
                packNF4(weight, range, base)
            } else {
                let share = range
                split(share.count) { _, rows in
                    withUnsafePointer(to: weight.packed) {
                        self.kernels.linear.pack(
                            $0, Int32(share.lowerBound + rows.lowerBound), Int32(rows.count),
                            base + rows.lowerBound * inputs, inputs)
                    }
                }
            }
        }
        return weight
    }

    /// Packs a weight whose codes and scales come from a file.
    public func makeWeight(nf4Codes codes: [UInt8], scales: [Float], outputs: Int, inputs: Int) throws -> Weight {
        precondition(codes.count == outputs * inputs && scales.count == (codes.count + 63) / 64, "sizes disagree")
        let group = Self.scaleGroup(inputs)
        let weight = try Weight(.nf4, outputs: outputs, inputs: inputs, group: group, kernels: kernels.linear)
        let perGroup = Self.spread(scales, group: group, count: outputs * inputs)
        kernels.linear.pack_nf4(&weight.packed, 0, Int32(outputs), codes, perGroup)
        return weight
    }

    /// Reserves an adapter matrix: bf16 where the processor multiplies bf16, elsewhere fp32, so that no step of training
    /// is too small to count.
    public func makeAdapterWeight(outputs: Int, inputs: Int, exact: Bool) throws -> Weight {
        let usesBF16 = kernels.linear.half_format == APUS_WEIGHT_BF16 && !exact && inputs % 2 == 0
        return try Weight(usesBF16 ? .bf16 : .f32, outputs: outputs, inputs: inputs, group: 2, kernels: kernels.linear)
    }

    /// Fills an adapter matrix from fp32 values times a scale.
    public func repack(_ weight: Weight, from values: Matrix, scale: Float) {
        precondition(values.rows == weight.outputs && values.columns == weight.inputs, "shapes differ")
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

    private func packNF4(_ weight: Weight, _ range: Range<Int>, _ values: UnsafeMutablePointer<Float>) {
        let inputs = weight.inputs
        let group = Int(weight.packed.group)
        let count = range.count * inputs
        var codes = [UInt8](repeating: 0, count: count)
        var scales = [Float](repeating: 0, count: (count + 63) / 64)
        kernels.linear.quantize_nf4(values, count, &codes, &scales)
        let perGroup = Self.spread(scales, group: group, count: count)
        kernels.linear.pack_nf4(&weight.packed, Int32(range.lowerBound), Int32(range.count), codes, perGroup)
    }

    /// The largest group of inputs that never crosses a block of 64 of the flattened matrix.
    static func scaleGroup(_ inputs: Int) -> Int {
        var (a, b) = (inputs, 64)
        while b != 0 { (a, b) = (b, a % b) }
        return a
    }

    /// One scale for each group in place of one for each block of 64.
    static func spread(_ scales: [Float], group: Int, count: Int) -> [Float] {
        group == 64 ? scales : (0..<count / group).map { scales[$0 * group / 64] }
    }
}
