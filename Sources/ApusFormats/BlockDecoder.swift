/// GGUF's 32-element blocks to fp32. Each block starts with an fp16 scale `d`, then for the `_1` types a minimum `m`.
///
/// Elements 0..<16 sit in the low nibbles and 16..<32 in the high nibbles of the same 16 bytes.
// swift-format-ignore: AlwaysUseLowerCamelCase
enum BlockDecoder {
    /// d, qs[16]: `y = d * (q - 8)`.
    static func q4_0(_ source: UnsafeRawPointer, _ blocks: Int, _ target: UnsafeMutablePointer<Float>) {
        for b in 0..<blocks {
            let block = source + 18 &* b
            let y = target + 32 &* b
            let d = PlainDecoder.half(block)
            let qs = (block + 2).assumingMemoryBound(to: UInt8.self)
            for j in 0..<16 {
                y[j] = d * Float(Int32(qs[j] & 15) &- 8)
                y[j &+ 16] = d * Float(Int32(qs[j] >> 4) &- 8)
            }
        }
    }

    /// d, m, qs[16]: `y = d * q + m`.
    static func q4_1(_ source: UnsafeRawPointer, _ blocks: Int, _ target: UnsafeMutablePointer<Float>) {
        for b in 0..<blocks {
            let block = source + 20 &* b
            let y = target + 32 &* b
            let d = PlainDecoder.half(block)
            let m = PlainDecoder.half(block + 2)
            let qs = (block + 4).assumingMemoryBound(to: UInt8.self)
            for j in 0..<16 {
                y[j] = d * Float(Int32(qs[j] & 15)) + m
                y[j &+ 16] = d * Float(Int32(qs[j] >> 4)) + m
            }
        }
    }

    /// d, qh (fifth bits), qs[16]: `y = d * (q - 16)`.
    static func q5_0(_ source: UnsafeRawPointer, _ blocks: Int, _ target: UnsafeMutablePointer<Float>) {
        for b in 0..<blocks {
            let block = source + 22 &* b
            let y = target + 32 &* b
            let d = PlainDecoder.half(block)
            let high = PlainDecoder.word(block + 2)
            let qs = (block + 6).assumingMemoryBound(to: UInt8.self)
            for j in 0..<16 {
                y[j] = d * Float(lowFive(qs[j], high, j) &- 16)
                y[j &+ 16] = d * Float(highFive(qs[j], high, j) &- 16)
            }
        }
    }

    /// d, m, qh (fifth bits), qs[16]: `y = d * q + m`.
    static func q5_1(_ source: UnsafeRawPointer, _ blocks: Int, _ target: UnsafeMutablePointer<Float>) {
        for b in 0..<blocks {
            let block = source + 24 &* b
            let y = target + 32 &* b
            let d = PlainDecoder.half(block)
            let m = PlainDecoder.half(block + 2)
            let high = PlainDecoder.word(block + 4)
            let qs = (block + 8).assumingMemoryBound(to: UInt8.self)
            for j in 0..<16 {
                y[j] = d * Float(lowFive(qs[j], high, j)) + m
                y[j &+ 16] = d * Float(highFive(qs[j], high, j)) + m
            }
        }
    }

    /// d, q[32] signed: `y = d * q`.
    static func q8_0(_ source: UnsafeRawPointer, _ blocks: Int, _ target: UnsafeMutablePointer<Float>) {
        for b in 0..<blocks {
            let block = source + 34 &* b
            let y = target + 32 &* b
            let d = PlainDecoder.half(block)
            let qs = (block + 2).assumingMemoryBound(to: Int8.self)
            for j in 0..<32 { y[j] = d * Float(Int32(qs[j])) }
        }
    }

    @inline(__always)
    private static func lowFive(_ byte: UInt8, _ high: UInt32, _ j: Int) -> Int32 {
        Int32(byte & 15) | Int32(truncatingIfNeeded: (high &>> UInt32(truncatingIfNeeded: j)) & 1) << 4
    }

    @inline(__always)
    private static func highFive(_ byte: UInt8, _ high: UInt32, _ j: Int) -> Int32 {
        Int32(byte >> 4) | Int32(truncatingIfNeeded: (high &>> UInt32(truncatingIfNeeded: j &+ 16)) & 1) << 4
    }
}
