public import ApusTensor

extension PlainBackend {
    /// Rows that are asked for at a time: few, and no divisor of anything.
    private static let chunk = 7

    /// See `Backend`. Rows are asked for in ascending order.
    public func makeWeight<E: Error>(
        _ format: WeightFormat, outputs: Int, inputs: Int,
        rows: (Range<Int>, UnsafeMutableBufferPointer<Float>) throws(E) -> Void
    ) throws -> Weight {
        try requireShape(format, outputs: outputs, inputs: inputs)
        let weight = PlainWeight(format, outputs: outputs, inputs: inputs, of: self)
        for first in stride(from: 0, to: outputs, by: Self.chunk) {
            let range = first..<min(first + Self.chunk, outputs)
            try rows(range, UnsafeMutableBufferPointer(start: weight.row(first), count: range.count * inputs))
        }
        let values = UnsafeMutableBufferPointer(start: weight.base, count: outputs * inputs)
        switch format {
        case .f32, .half: break
        case .bf16: PlainRounding.toBF16(values)
        case .int8: PlainRounding.toEightBits(values, inputs: inputs)
        case .nf4: PlainRounding.toNF4(values)
        }
        return weight
    }

    /// See `Backend`.
    public func makeWeight(_ stored: NF4Matrix) throws -> Weight {
        try requireShape(.nf4, outputs: stored.outputs, inputs: stored.inputs)
        let weight = PlainWeight(.nf4, outputs: stored.outputs, inputs: stored.inputs, of: self)
        for i in 0..<stored.outputs * stored.inputs {
            let pair = stored.codes[i / 2]
            let code = i % 2 == 0 ? pair >> 4 : pair & 15
            weight.base[i] = PlainRounding.nf4Values[Int(code)] * stored.scales[i / PlainRounding.nf4Block]
        }
        return weight
    }

    /// See `Backend`.
    public func byteCount(_ format: WeightFormat, outputs: Int, inputs: Int) throws -> Int {
        try requireShape(format, outputs: outputs, inputs: inputs)
        return Self.bytes(outputs * inputs)
    }

    /// See `Backend`. Whatever it stands beside, it is in fp32.
    public func makeAdapterWeight(outputs: Int, inputs: Int, beside base: WeightFormat) throws -> Weight {
        PlainWeight(.f32, outputs: outputs, inputs: inputs, of: self)
    }

    /// See `Backend`.
    public func adapterByteCount(outputs: Int, inputs: Int, beside base: WeightFormat) throws -> Int {
        Self.bytes(outputs * inputs)
    }

    /// See `Backend`.
    public func repack(_ items: [Repacking]) {
        let items = items.map { (weight: own($0.weight), values: own($0.values), scale: $0.scale) }
        enqueue {
            for item in items {
                let (to, from) = (item.weight.base, item.values.base)
                for i in 0..<item.values.count { to[i] = from[i] * item.scale }
            }
        }
    }

    private func requireShape(_ format: WeightFormat, outputs: Int, inputs: Int) throws {
        guard format == .f32 || inputs % 2 == 0 else {
            throw TensorError("weight of \(outputs) x \(inputs): wanted an even number of inputs; use f32")
        }
    }
}

/// What becomes of values that a weight holds in fewer bits.
enum PlainRounding {
    /// The nearest bf16, of two the even one.
    static func toBF16(_ values: UnsafeMutableBufferPointer<Float>) {
        for i in values.indices where values[i].isFinite {
            let bits = values[i].bitPattern
            values[i] = Float(bitPattern: (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF_0000)
        }
    }

    /// Integers up to 127 in units of a scale, which is the same for the largest group of neighbours that divides a row and a
    /// block of 32. Values that already lie on a grid of GGUF's are kept.
    static func toEightBits(_ values: UnsafeMutableBufferPointer<Float>, inputs: Int) {
        var (group, rest) = (inputs, 32)
        while rest != 0 { (group, rest) = (rest, group % rest) }
        for first in stride(from: 0, to: values.count, by: group) {
            let block = UnsafeMutableBufferPointer(rebasing: values[first..<first + group])
            let largest = block.reduce(0) { max($0, abs($1)) }
            guard block.allSatisfy(\.isFinite) else {
                block.update(repeating: .nan)
                continue
            }
            // Below it nothing is exact, and nothing is lost by zero.
            guard largest > 1e-30 else {
                block.update(repeating: 0)
                continue
            }
            let units = grids.map { largest / $0 }
            let unit = units.first { unit in block.allSatisfy { ($0 / unit).rounded() == $0 / unit } } ?? units[4]
            for i in block.indices { block[i] = (block[i] / unit).rounded(.toNearestOrEven) * unit }
        }
    }

    /// Steps to the largest value: of Q4_0 and Q5_0, of the same where the outermost step is not taken, and of Q8_0.
    private static let grids: [Float] = [8, 16, 7, 15, 127]

    /// NormalFloat4 as bitsandbytes gives it.
    static func toNF4(_ values: UnsafeMutableBufferPointer<Float>) {
        for first in stride(from: 0, to: values.count, by: nf4Block) {
            let block = UnsafeMutableBufferPointer(rebasing: values[first..<min(first + nf4Block, values.count)])
            let largest = block.reduce(0) { max($0, abs($1)) }
            let inverse = largest > 0 ? 1 / largest : 0
            for i in block.indices {
                let code = nf4Thresholds.count { block[i] * inverse > $0 }
                block[i] = nf4Values[code] * largest
            }
        }
    }

    /// Values that share a scale.
    static let nf4Block = 64

    /// What the codes stand for.
    static let nf4Values: [Float] = [
        -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
        -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
        0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
    ]

    /// What a value exceeds to have the next code: the fp32 midpoints.
    private static let nf4Thresholds: [Float] = [
        -0.8480963706970215, -0.6106328964233398, -0.4599952697753906, -0.33967941999435425, -0.23460739850997925,
        -0.13791173696517944, -0.045525018125772476, 0.03979014977812767, 0.120255246758461, 0.2035212516784668,
        0.2920137643814087, 0.3893125355243683, 0.5016634464263916, 0.6427869200706482, 0.8614784479141235,
    ]
}
