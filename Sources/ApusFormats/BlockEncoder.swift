/// Rounding as ggml's quantisers do it, so that files come out as llama.cpp would write them.
enum BlockRounding {
    /// The nearest whole number, ties to even, of a magnitude below 2^22: adding 1.5 * 2^23 leaves it in the low bits.
    /// `rounded()` is a library call on x86-64 without SSE 4.1.
    @inline(__always)
    static func nearest(_ value: Float) -> Int32 {
        Int32(truncatingIfNeeded: (value + 12_582_912).bitPattern & 0x7F_FFFF) &- 0x40_0000
    }

    /// One over a scale; 0 where that would be no finite number, for then the half that is stored is 0 too.
    @inline(__always)
    static func inverse(_ scale: Float) -> Float { abs(scale) >= .leastNormalMagnitude ? 1 / scale : 0 }

    /// Stores an IEEE half and returns the value that a reader will see.
    @inline(__always)
    static func storeHalf(_ value: Float, _ target: UnsafeMutableRawPointer) -> Float {
        let half = Float16(value)
        target.storeBytes(of: half.bitPattern.littleEndian, as: UInt16.self)
        return Float(half)
    }
}

/// fp32 to GGUF's 32-element blocks; `BlockDecoder` documents their layout.
// swift-format-ignore: AlwaysUseLowerCamelCase
enum BlockEncoder {
    /// The value of largest magnitude becomes code 0 of 16.
    static func q4_0(_ source: UnsafePointer<Float>, _ blocks: Int, _ target: UnsafeMutableRawPointer) {
        for b in 0..<blocks {
            let x = source + 32 &* b
            let block = target + 18 &* b
            let d = largest(x) / -8
            let inverse = BlockRounding.inverse(d)
            _ = BlockRounding.storeHalf(d, block)
            for j in 0..<16 {
                let low = UInt8((x[j] * inverse + 8.5).wholeNumber(in: 0...15))
                let high = UInt8((x[j &+ 16] * inverse + 8.5).wholeNumber(in: 0...15))
                block.storeBytes(of: low | high << 4, toByteOffset: 2 &+ j, as: UInt8.self)
            }
        }
    }

    /// As Q4_0 with one more bit, kept apart in a word of 32.
    static func q5_0(_ source: UnsafePointer<Float>, _ blocks: Int, _ target: UnsafeMutableRawPointer) {
        for b in 0..<blocks {
            let x = source + 32 &* b
            let block = target + 22 &* b
            let d = largest(x) / -16
            let inverse = BlockRounding.inverse(d)
            _ = BlockRounding.storeHalf(d, block)
            var fifthBits: UInt32 = 0
            for j in 0..<16 {
                let low = UInt32((x[j] * inverse + 16.5).wholeNumber(in: 0...31))
                let high = UInt32((x[j &+ 16] * inverse + 16.5).wholeNumber(in: 0...31))
                fifthBits |= (low >> 4) << UInt32(j) | (high >> 4) << UInt32(j + 16)
                block.storeBytes(of: UInt8(low & 15 | (high & 15) << 4), toByteOffset: 6 &+ j, as: UInt8.self)
            }
            block.storeBytes(of: fifthBits.littleEndian, toByteOffset: 2, as: UInt32.self)
        }
    }

    /// Symmetric 8-bit codes; halves are rounded away from zero.
    static func q8_0(_ source: UnsafePointer<Float>, _ blocks: Int, _ target: UnsafeMutableRawPointer) {
        for b in 0..<blocks {
            let x = source + 32 &* b
            let block = target + 34 &* b
            let d = abs(largest(x)) / 127
            let inverse = BlockRounding.inverse(d)
            _ = BlockRounding.storeHalf(d, block)
            for j in 0..<32 {
                let value = x[j] * inverse
                // Truncation after adding a half would round 0.49999997 up, which roundf does not.
                let whole = value.wholeNumber(in: -127...127)
                let rest = value - Float(whole)
                let code = whole &+ (rest >= 0.5 ? 1 : rest <= -0.5 ? -1 : 0)
                block.storeBytes(of: Int8(truncatingIfNeeded: code), toByteOffset: 2 &+ j, as: Int8.self)
            }
        }
    }

    /// The element of largest magnitude among 32, with its sign; the first of several.
    @inline(__always)
    private static func largest(_ x: UnsafePointer<Float>) -> Float {
        var result: Float = 0
        var magnitude: Float = 0
        for j in 0..<32 where abs(x[j]) > magnitude {
            magnitude = abs(x[j])
            result = x[j]
        }
        return result
    }
}
