/// Finds values that no weight may have.
public enum NonFinite {
    /// How many of `values` are NaN or infinite.
    ///
    /// In vectors by hand: this runs over every weight that is loaded, and the plain loop costs more than the decoding.
    public static func count(in values: UnsafeBufferPointer<Float>) -> Int {
        let bytes = UnsafeRawBufferPointer(values)
        let lanes = 16
        let exponent = SIMD16<Int32>(repeating: 0x7F80_0000)
        let one = SIMD16<Int32>(repeating: 1)
        var total = 0
        var start = 0
        // A lane counts at most 2^20 hits before it is added up.
        while start &+ lanes <= values.count {
            let end = min(start &+ lanes << 20, values.count / lanes &* lanes)
            var hits = SIMD16<Int32>.zero
            while start < end {
                let bits = bytes.loadUnaligned(fromByteOffset: 4 &* start, as: SIMD16<Int32>.self)
                hits.replace(with: hits &+ one, where: bits & exponent .== exponent)
                start &+= lanes
            }
            total += (0..<lanes).reduce(0) { $0 + Int(hits[$1]) }
        }
        for value in values[start...] where !value.isFinite { total += 1 }
        return total
    }
}
