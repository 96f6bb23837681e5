extension NF4 {
    /// Scales that are themselves stored in 8 bits ("double quantisation"): `map[code] * absmax[block] + offset`.
    public struct NestedScales: Sendable, Equatable {
        /// One code a scale.
        public var codes: [UInt8]
        /// The largest magnitude in each run of `blockSize` scales, after the offset was taken away.
        public var absmax: [Float]
        /// The mean of all scales.
        public var offset: Float
        /// The value of each of the 256 codes.
        public var map: [Float]
        /// Scales that share an entry of `absmax`.
        public var blockSize: Int

        /// Quantises the scales of a matrix.
        public init(quantizing scales: [Float], blockSize: Int = 256) {
            let map = NF4.dynamicMap
            let mean = scales.isEmpty ? 0 : scales.reduce(0) { $0 + Double($1) } / Double(scales.count)
            let offset = Float(mean)
            var codes: [UInt8] = []
            var absmax: [Float] = []
            codes.reserveCapacity(scales.count)
            for start in stride(from: 0, to: scales.count, by: blockSize) {
                let residuals = scales[start..<min(start + blockSize, scales.count)].map { $0 - offset }
                let largest = residuals.reduce(0) { max($0, abs($1)) }
                let inverse = largest > 0 ? 1 / largest : 0
                absmax.append(largest)
                codes += residuals.map { Self.nearest(to: $0 * inverse, in: map) }
            }
            self.init(codes: codes, absmax: absmax, offset: offset, map: map, blockSize: blockSize)
        }

        /// Takes the parts as a file holds them.
        public init(codes: [UInt8], absmax: [Float], offset: Float, map: [Float], blockSize: Int) {
            precondition(
                map.count == 256 && absmax.count * blockSize >= codes.count, "a 256-entry map, a scale a block")
            self.codes = codes
            self.absmax = absmax
            self.offset = offset
            self.map = map
            self.blockSize = blockSize
        }

        /// The fp32 scales, one a block of weights.
        public func dequantized() -> [Float] {
            codes.indices.map { map[Int(codes[$0])] * absmax[$0 / blockSize] + offset }
        }

        /// The nearest entry of a sorted map; a tie at a midpoint goes to the lower one.
        private static func nearest(to value: Float, in map: [Float]) -> UInt8 {
            var low = 0
            var high = map.count - 1
            while low < high {
                let middle = (low + high) / 2
                if value > (map[middle] + map[middle + 1]) * 0.5 { low = middle + 1 } else { high = middle }
            }
            return UInt8(low)
        }
    }

    /// bitsandbytes' signed dynamic map: 256 sorted values, seven decades with twice as many values in each next one.
    ///
    /// Computed as PyTorch does it (a linspace from both ends with fused multiply-adds), so that it is the same to the
    /// last bit as in files written by bitsandbytes.
    public static let dynamicMap: [Float] = {
        var values: [Float] = [0, 1]
        let decades: [Float] = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1]
        for (exponent, decade) in decades.enumerated() {
            let bounds = linspace(count: (1 << exponent) + 1)
            for (lower, upper) in zip(bounds, bounds.dropFirst()) {
                let value = decade * ((lower + upper) / 2)
                values += [value, -value]
            }
        }
        return values.sorted()
    }()

    /// `count` values from 0.1 to 1 as `torch.linspace` rounds them.
    private static func linspace(count: Int) -> [Float] {
        let step: Float = (1 - 0.1) / Float(count - 1)
        return (0..<count).map { i in
            i < count / 2
                ? Float(0.1).addingProduct(step, Float(i))
                : Float(1).addingProduct(-step, Float(count - 1 - i))
        }
    }
}
