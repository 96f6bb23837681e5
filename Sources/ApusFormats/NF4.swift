/// bitsandbytes' 4-bit NormalFloat: sixteen fixed values, one fp32 scale for each 64 consecutive weights.
///
/// Blocks run over the row-major flattened matrix, so they straddle rows whose length is not a multiple of the block
/// size, and the last one may be short. Two codes share a byte, the earlier one in the high nibble.
public enum NF4 {
    /// Weights that share a scale.
    public static let blockSize = 64

    /// The value of each code; code 7 is exactly zero.
    public static let table: [Float] = [
        -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
        -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
        0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
    ]

    /// Where code `i` gives way to `i + 1`: halfway, and a value has to be strictly above to move up.
    ///
    /// Computed, because as decimal literals some of them would round to the neighbouring number.
    static let thresholds: [Float] = zip(table, table.dropFirst()).map { ($0 + $1) * 0.5 }

    /// Quantises a flattened matrix.
    ///
    /// - Returns: `codes`, two to a byte (`(values.count + 1) / 2`), and `absmax`, one scale a block.
    public static func quantize(_ values: [Float], blockSize: Int = blockSize) -> (codes: [UInt8], absmax: [Float]) {
        var codes = [UInt8](repeating: 0, count: (values.count + 1) / 2)
        var absmax = [Float](repeating: 0, count: (values.count + blockSize - 1) / blockSize)
        values.withUnsafeBufferPointer { source in
            codes.withUnsafeMutableBufferPointer { codes in
                absmax.withUnsafeMutableBufferPointer { absmax in
                    quantize(source, blockSize: blockSize, codes: codes, absmax: absmax)
                }
            }
        }
        return (codes, absmax)
    }

    /// Quantises a flattened matrix into memory of the caller.
    ///
    /// - Parameters:
    ///   - values: The weights, row-major.
    ///   - blockSize: Weights that share a scale; even.
    ///   - codes: Room for `(values.count + 1) / 2` bytes. The spare nibble of an odd count holds the code of zero.
    ///   - absmax: Room for one scale a block.
    public static func quantize(
        _ values: UnsafeBufferPointer<Float>, blockSize: Int = blockSize,
        codes: UnsafeMutableBufferPointer<UInt8>, absmax: UnsafeMutableBufferPointer<Float>
    ) {
        precondition(blockSize > 0 && blockSize % 2 == 0, "a byte must not straddle two blocks")
        precondition(codes.count == (values.count + 1) / 2, "\(codes.count) bytes for \(values.count) codes")
        precondition(absmax.count == (values.count + blockSize - 1) / blockSize, "\(absmax.count) scales")
        thresholds.withUnsafeBufferPointer { thresholds in
            for block in 0..<absmax.count {
                let start = block &* blockSize
                let end = min(start &+ blockSize, values.count)
                var largest: Float = 0
                for i in start..<end { largest = max(largest, abs(values[i])) }
                absmax[block] = largest
                let inverse = largest > 0 ? 1 / largest : 0
                var i = start
                while i < end {
                    let high = code(values[i] * inverse, thresholds)
                    let low = i &+ 1 < end ? code(values[i &+ 1] * inverse, thresholds) : 7
                    codes[i >> 1] = high << 4 | low
                    i &+= 2
                }
            }
        }
    }

    /// Dequantises a flattened matrix to fp32: `table[code] * absmax`.
    ///
    /// - Parameters:
    ///   - codes: Two codes a byte, as `quantize` packs them.
    ///   - absmax: One scale a block.
    ///   - count: The number of weights.
    ///   - table: The value of each code; a file may carry its own.
    public static func dequantize(
        codes: [UInt8], absmax: [Float], count: Int, blockSize: Int = blockSize, table: [Float] = table
    ) -> [Float] {
        [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            let target = UnsafeMutableBufferPointer(rebasing: buffer[..<count])
            dequantize(
                codes: codes, absmax: absmax, elements: 0..<count, blockSize: blockSize, table: table, into: target)
            initialized = count
        }
    }

    /// Dequantises a run of elements, which may begin and end inside a block.
    static func dequantize(
        codes: [UInt8], absmax: [Float], elements: Range<Int>, blockSize: Int, table: [Float],
        into target: UnsafeMutableBufferPointer<Float>
    ) {
        precondition(table.count == 16 && target.count == elements.count, "sixteen codes, room for every element")
        precondition(codes.count >= (elements.upperBound + 1) / 2, "\(codes.count) bytes for \(elements)")
        precondition(absmax.count * blockSize >= elements.upperBound, "\(absmax.count) scales for \(elements)")
        codes.withUnsafeBufferPointer { codes in
            table.withUnsafeBufferPointer { table in
                var i = elements.lowerBound
                while i < elements.upperBound {
                    let block = i / blockSize
                    let scale = absmax[block]
                    let end = min((block &+ 1) &* blockSize, elements.upperBound)
                    for j in i..<end {
                        let byte = codes[j >> 1]
                        target[j &- elements.lowerBound] = table[Int(j & 1 == 0 ? byte >> 4 : byte & 15)] * scale
                    }
                    i = end
                }
            }
        }
    }

    /// The nearest code by binary search: how many thresholds lie strictly below `value`.
    @inline(__always)
    private static func code(_ value: Float, _ thresholds: UnsafeBufferPointer<Float>) -> UInt8 {
        var code = value > thresholds[7] ? 8 : 0
        code &+= value > thresholds[code &+ 3] ? 4 : 0
        code &+= value > thresholds[code &+ 1] ? 2 : 0
        code &+= value > thresholds[code] ? 1 : 0
        return UInt8(truncatingIfNeeded: code)
    }
}
