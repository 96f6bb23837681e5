/// GGUF's 256-element super-blocks ("K quants") to fp32: sub-blocks carry small integer scales under one fp16 scale.
// swift-format-ignore: AlwaysUseLowerCamelCase
enum SuperBlockDecoder {
    /// scales[16] (low nibble scale, high nibble minimum), qs[64], d, dmin: 16-element sub-blocks of 2-bit values.
    static func q2_K(_ source: UnsafeRawPointer, _ blocks: Int, _ target: UnsafeMutablePointer<Float>) {
        for b in 0..<blocks {
            let block = source + 84 &* b
            let scales = block.assumingMemoryBound(to: UInt8.self)
            let d = PlainDecoder.half(block + 80)
            let dmin = PlainDecoder.half(block + 82)
            for run in 0..<8 {
                let qs = scales + (16 &+ 32 &* (run / 4))
                let shift = UInt8(truncatingIfNeeded: 2 &* (run % 4))
                let y = target + (256 &* b &+ 32 &* run)
                for half in 0..<2 {
                    let scale = scales[2 &* run &+ half]
                    let dl = d * Float(scale & 15)
                    let ml = dmin * Float(scale >> 4)
                    for l in 16 &* half..<16 &* half &+ 16 { y[l] = dl * Float(Int32((qs[l] &>> shift) & 3)) - ml }
                }
            }
        }
    }

    /// hmask[32] (third bits, inverted), qs[64], scales[12] (6 bit, biased by 32), d: 16-element sub-blocks.
    static func q3_K(_ source: UnsafeRawPointer, _ blocks: Int, _ target: UnsafeMutablePointer<Float>) {
        for b in 0..<blocks {
            let block = source + 110 &* b
            let hmask = block.assumingMemoryBound(to: UInt8.self)
            let scales = hmask + 96
            let d = PlainDecoder.half(block + 108)
            for run in 0..<8 {
                let qs = hmask + (32 &+ 32 &* (run / 4))
                let shift = UInt8(truncatingIfNeeded: 2 &* (run % 4))
                let bit = UInt8(1) &<< UInt8(truncatingIfNeeded: run)
                let y = target + (256 &* b &+ 32 &* run)
                for half in 0..<2 {
                    let dl = d * Float(threeBitScale(scales, 2 &* run &+ half))
                    for l in 16 &* half..<16 &* half &+ 16 {
                        let low = Int32((qs[l] &>> shift) & 3)
                        y[l] = dl * Float(hmask[l] & bit != 0 ? low : low &- 4)
                    }
                }
            }
        }
    }

    /// d, dmin, scales[12] (6 bit), qs[128]: 32-element sub-blocks, two to a run of 32 bytes.
    static func q4_K(_ source: UnsafeRawPointer, _ blocks: Int, _ target: UnsafeMutablePointer<Float>) {
        for b in 0..<blocks {
            let block = source + 144 &* b
            let d = PlainDecoder.half(block)
            let dmin = PlainDecoder.half(block + 2)
            let scales = (block + 4).assumingMemoryBound(to: UInt8.self)
            for run in 0..<4 {
                let qs = scales + (12 &+ 32 &* run)
                let y = target + (256 &* b &+ 64 &* run)
                let (dl, ml) = scaleAndMinimum(scales, 2 &* run, d, dmin)
                let (dh, mh) = scaleAndMinimum(scales, 2 &* run &+ 1, d, dmin)
                for l in 0..<32 { y[l] = dl * Float(Int32(qs[l] & 15)) - ml }
                for l in 0..<32 { y[l &+ 32] = dh * Float(Int32(qs[l] >> 4)) - mh }
            }
        }
    }

    /// d, dmin, scales[12] (6 bit), qh[32] (fifth bits), qs[128]: as Q4_K with one more bit.
    static func q5_K(_ source: UnsafeRawPointer, _ blocks: Int, _ target: UnsafeMutablePointer<Float>) {
        for b in 0..<blocks {
            let block = source + 176 &* b
            let d = PlainDecoder.half(block)
            let dmin = PlainDecoder.half(block + 2)
            let scales = (block + 4).assumingMemoryBound(to: UInt8.self)
            let qh = scales + 12
            for run in 0..<4 {
                let qs = qh + (32 &+ 32 &* run)
                let y = target + (256 &* b &+ 64 &* run)
                let (dl, ml) = scaleAndMinimum(scales, 2 &* run, d, dmin)
                let (dh, mh) = scaleAndMinimum(scales, 2 &* run &+ 1, d, dmin)
                let low = UInt8(1) &<< UInt8(truncatingIfNeeded: 2 &* run)
                let high = low << 1
                for l in 0..<32 { y[l] = dl * Float(Int32(qs[l] & 15) &+ (qh[l] & low != 0 ? 16 : 0)) - ml }
                for l in 0..<32 { y[l &+ 32] = dh * Float(Int32(qs[l] >> 4) &+ (qh[l] & high != 0 ? 16 : 0)) - mh }
            }
        }
    }

    /// ql[128], qh[64], scales[16] signed, d: 16-element sub-blocks of 6-bit values biased by 32.
    static func q6_K(_ source: UnsafeRawPointer, _ blocks: Int, _ target: UnsafeMutablePointer<Float>) {
        for b in 0..<blocks {
            let block = source + 210 &* b
            let d = PlainDecoder.half(block + 208)
            for half in 0..<2 {
                let ql = (block + 64 &* half).assumingMemoryBound(to: UInt8.self)
                let qh = (block + (128 &+ 32 &* half)).assumingMemoryBound(to: UInt8.self)
                let scales = (block + (192 &+ 8 &* half)).assumingMemoryBound(to: Int8.self)
                let y = target + (256 &* b &+ 128 &* half)
                for part in 0..<2 {
                    let range = 16 &* part..<16 &* part &+ 16
                    let s1 = d * Float(scales[part])
                    let s2 = d * Float(scales[part &+ 2])
                    let s3 = d * Float(scales[part &+ 4])
                    let s4 = d * Float(scales[part &+ 6])
                    for l in range {
                        y[l] = s1 * Float(Int32(ql[l] & 15 | (qh[l] & 3) << 4) &- 32)
                        y[l &+ 32] = s2 * Float(Int32(ql[l &+ 32] & 15 | (qh[l] >> 2 & 3) << 4) &- 32)
                        y[l &+ 64] = s3 * Float(Int32(ql[l] >> 4 | (qh[l] >> 4 & 3) << 4) &- 32)
                        y[l &+ 96] = s4 * Float(Int32(ql[l &+ 32] >> 4 | (qh[l] >> 6) << 4) &- 32)
                    }
                }
            }
        }
    }

    /// The j-th of eight (scale, minimum) pairs that Q4_K and Q5_K pack in 6 bits each into 12 bytes,
    /// times `d` and `dmin`.
    @inline(__always)
    private static func scaleAndMinimum(
        _ s: UnsafePointer<UInt8>, _ j: Int, _ d: Float, _ dmin: Float
    ) -> (Float, Float) {
        let scale: UInt8
        let minimum: UInt8
        if j < 4 {
            scale = s[j] & 63
            minimum = s[j &+ 4] & 63
        } else {
            scale = s[j &+ 4] & 15 | (s[j &- 4] >> 6) << 4
            minimum = s[j &+ 4] >> 4 | (s[j] >> 6) << 4
        }
        return (d * Float(scale), dmin * Float(minimum))
    }

    /// The j-th of sixteen scales of Q3_K: four low bits in bytes 0..<8, two high bits in bytes 8..<12, biased by 32.
    @inline(__always)
    private static func threeBitScale(_ s: UnsafePointer<UInt8>, _ j: Int) -> Int32 {
        let low = j < 8 ? s[j] & 15 : s[j &- 8] >> 4
        let high = (s[8 &+ j % 4] &>> UInt8(truncatingIfNeeded: 2 &* (j / 4))) & 3
        return Int32(low | high << 4) &- 32
    }
}
