/// fp32 to GGUF's 256-element super-blocks; `SuperBlockDecoder` documents their layout.
///
/// Scales are searched for as llama.cpp does without an importance matrix.
// swift-format-ignore: AlwaysUseLowerCamelCase
enum SuperBlockEncoder {
    /// Eight sub-blocks of 32 with a scale and a minimum of 6 bits each.
    static func q4_K(_ source: UnsafePointer<Float>, _ blocks: Int, _ target: UnsafeMutableRawPointer) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 256 + 32) { room in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: 32 + 16) { numbers in
                guard let codes = room.baseAddress, let weights = numbers.baseAddress else { return }
                let fit = AffineFit(codes: codes + 256, weights: weights)
                for b in 0..<blocks {
                    encodeQ4K(source + 256 &* b, target + 144 &* b, fit, codes: codes, scales: weights + 32)
                }
            }
        }
    }

    private static func encodeQ4K(
        _ x: UnsafePointer<Float>, _ block: UnsafeMutableRawPointer, _ fit: AffineFit,
        codes: UnsafeMutablePointer<UInt8>, scales: UnsafeMutablePointer<Float>
    ) {
        let minimums = scales + 8
        var largestScale: Float = 0
        var largestMinimum: Float = 0
        for j in 0..<8 {
            (scales[j], minimums[j]) = fit.search(x + 32 &* j)
            if scales[j] > largestScale { largestScale = scales[j] }
            if minimums[j] > largestMinimum { largestMinimum = minimums[j] }
        }
        let d = BlockRounding.storeHalf(largestScale / 63, block)
        let dmin = BlockRounding.storeHalf(largestMinimum / 63, block + 2)
        let inverseScale = largestScale > 0 ? 63 / largestScale : 0
        let inverseMinimum = largestMinimum > 0 ? 63 / largestMinimum : 0
        let packed = (block + 4).assumingMemoryBound(to: UInt8.self)
        for j in 0..<8 {
            let scale = max(0, min(63, BlockRounding.nearest(inverseScale * scales[j])))
            let minimum = max(0, min(63, BlockRounding.nearest(inverseMinimum * minimums[j])))
            pack(UInt8(truncatingIfNeeded: scale), UInt8(truncatingIfNeeded: minimum), at: j, packed)
            let (step, offset) = (d * Float(scale), dmin * Float(minimum))
            for l in 32 &* j..<32 &* j &+ 32 {
                let code = step == 0 ? 0 : BlockRounding.nearest((x[l] + offset) / step)
                codes[l] = UInt8(truncatingIfNeeded: max(0, min(15, code)))
            }
        }
        let qs = packed + 12
        for run in 0..<4 {
            for l in 0..<32 { qs[32 &* run &+ l] = codes[64 &* run &+ l] | codes[64 &* run &+ 32 &+ l] << 4 }
        }
    }

    /// Puts the j-th (scale, minimum) pair into the 12 bytes; pairs must come in order.
    private static func pack(_ scale: UInt8, _ minimum: UInt8, at j: Int, _ packed: UnsafeMutablePointer<UInt8>) {
        if j < 4 {
            packed[j] = scale
            packed[j &+ 4] = minimum
        } else {
            packed[j &+ 4] = scale & 15 | (minimum & 15) << 4
            packed[j &- 4] |= (scale >> 4) << 6
            packed[j] |= (minimum >> 4) << 6
        }
    }

    /// Sixteen sub-blocks of 16 with a signed scale of 8 bits each.
    static func q6_K(_ source: UnsafePointer<Float>, _ blocks: Int, _ target: UnsafeMutableRawPointer) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 256) { room in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: 16) { numbers in
                guard let codes = room.baseAddress, let scales = numbers.baseAddress else { return }
                for b in 0..<blocks { encodeQ6K(source + 256 &* b, target + 210 &* b, codes, scales) }
            }
        }
    }

    private static func encodeQ6K(
        _ x: UnsafePointer<Float>, _ block: UnsafeMutableRawPointer, _ codes: UnsafeMutablePointer<UInt8>,
        _ scales: UnsafeMutablePointer<Float>
    ) {
        var extreme: Float = 0
        for j in 0..<16 {
            scales[j] = SymmetricFit.scale(of: x + 16 &* j)
            if abs(scales[j]) > abs(extreme) { extreme = scales[j] }
        }
        guard abs(extreme) >= SymmetricFit.smallest else {
            block.initializeMemory(as: UInt8.self, repeating: 0, count: 210)
            return
        }
        let inverse = -128 / extreme
        let d = BlockRounding.storeHalf(1 / inverse, block + 208)
        for j in 0..<16 {
            let scale = min(127, BlockRounding.nearest(inverse * scales[j]))
            block.storeBytes(of: Int8(truncatingIfNeeded: scale), toByteOffset: 192 &+ j, as: Int8.self)
            let step = d * Float(scale)
            for l in 16 &* j..<16 &* j &+ 16 {
                // Where the scale rounds to nothing every code means zero.
                let code = step == 0 ? -32 : max(-32, min(31, BlockRounding.nearest(x[l] / step)))
                codes[l] = UInt8(truncatingIfNeeded: code &+ 32)
            }
        }
        packSixBits(codes, block.assumingMemoryBound(to: UInt8.self))
    }

    private static func packSixBits(_ codes: UnsafePointer<UInt8>, _ block: UnsafeMutablePointer<UInt8>) {
        for half in 0..<2 {
            let q = codes + 128 &* half
            let low = block + 64 &* half
            let high = block + (128 &+ 32 &* half)
            for l in 0..<32 {
                low[l] = q[l] & 15 | (q[l &+ 64] & 15) << 4
                low[l &+ 32] = q[l &+ 32] & 15 | (q[l &+ 96] & 15) << 4
                let lowerHalf = q[l] >> 4 | (q[l &+ 32] >> 4) << 2
                high[l] = lowerHalf | (q[l &+ 64] >> 4) << 4 | (q[l &+ 96] >> 4) << 6
            }
        }
    }
}
