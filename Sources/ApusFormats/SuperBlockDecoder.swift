/// The rarer of GGUF's 256-element super-blocks ("K quants") to fp32: sub-blocks carry small integer scales under one fp16
/// scale. What models are usually made of is decoded by CBlocks.
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

    /// The j-th of sixteen scales of Q3_K: four low bits in bytes 0..<8, two high bits in bytes 8..<12, biased by 32.
    @inline(__always)
    private static func threeBitScale(_ s: UnsafePointer<UInt8>, _ j: Int) -> Int32 {
        let low = j < 8 ? s[j] & 15 : s[j &- 8] >> 4
        let high = (s[8 &+ j % 4] &>> UInt8(truncatingIfNeeded: 2 &* (j / 4))) & 3
        return Int32(low | high << 4) &- 32
    }
}
