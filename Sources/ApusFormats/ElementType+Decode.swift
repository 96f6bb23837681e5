internal import CBlocks

extension ElementType {
    /// Decodes `count` elements to fp32.
    ///
    /// Unsafe because it runs over every weight of a model: the caller has checked that `source` holds
    /// `byteCount(of: count)` bytes and `target` room for `count` floats. 64-bit types are rounded to fp32.
    func decode(_ source: UnsafeRawPointer, count: Int, into target: UnsafeMutablePointer<Float>) {
        let blocks = count / blockElements
        switch self {
        case .f32: PlainDecoder.f32(source, count, target)
        case .f16: PlainDecoder.f16(source, count, target)
        case .bf16: PlainDecoder.bf16(source, count, target)
        case .f64: PlainDecoder.f64(source, count, target)
        case .bool, .u8: PlainDecoder.integers(source, UInt8.self, count, target)
        case .i8: PlainDecoder.integers(source, Int8.self, count, target)
        case .u16: PlainDecoder.integers(source, UInt16.self, count, target)
        case .i16: PlainDecoder.integers(source, Int16.self, count, target)
        case .u32: PlainDecoder.integers(source, UInt32.self, count, target)
        case .i32: PlainDecoder.integers(source, Int32.self, count, target)
        case .u64: PlainDecoder.integers(source, UInt64.self, count, target)
        case .i64: PlainDecoder.integers(source, Int64.self, count, target)
        case .q4_0: apus_decode_blocks(APUS_BLOCK_Q4_0, source, blocks, target)
        case .q4_1: apus_decode_blocks(APUS_BLOCK_Q4_1, source, blocks, target)
        case .q5_0: apus_decode_blocks(APUS_BLOCK_Q5_0, source, blocks, target)
        case .q5_1: apus_decode_blocks(APUS_BLOCK_Q5_1, source, blocks, target)
        case .q8_0: apus_decode_blocks(APUS_BLOCK_Q8_0, source, blocks, target)
        case .q2_K: SuperBlockDecoder.q2_K(source, blocks, target)
        case .q3_K: SuperBlockDecoder.q3_K(source, blocks, target)
        case .q4_K: apus_decode_blocks(APUS_BLOCK_Q4_K, source, blocks, target)
        case .q5_K: apus_decode_blocks(APUS_BLOCK_Q5_K, source, blocks, target)
        case .q6_K: apus_decode_blocks(APUS_BLOCK_Q6_K, source, blocks, target)
        case .iq4_NL: apus_decode_blocks(APUS_BLOCK_IQ4_NL, source, blocks, target)
        case .iq4_XS: apus_decode_blocks(APUS_BLOCK_IQ4_XS, source, blocks, target)
        }
    }
}

/// Plain little-endian numbers to fp32. Tensors need not be aligned in their file, hence the unaligned loads.
enum PlainDecoder {
    static func f32(_ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Float>) {
        for i in 0..<count { target[i] = Float(bitPattern: word(source + 4 &* i)) }
    }

    static func f16(_ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Float>) {
        for i in 0..<count { target[i] = half(source + 2 &* i) }
    }

    static func bf16(_ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Float>) {
        for i in 0..<count {
            let bits = UInt16(littleEndian: (source + 2 &* i).loadUnaligned(as: UInt16.self))
            target[i] = Float(bitPattern: UInt32(bits) << 16)
        }
    }

    static func f64(_ source: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Float>) {
        for i in 0..<count {
            let bits = UInt64(littleEndian: (source + 8 &* i).loadUnaligned(as: UInt64.self))
            target[i] = Float(Double(bitPattern: bits))
        }
    }

    static func integers<T: FixedWidthInteger & BitwiseCopyable>(
        _ source: UnsafeRawPointer, _: T.Type, _ count: Int, _ target: UnsafeMutablePointer<Float>
    ) {
        let size = MemoryLayout<T>.size
        for i in 0..<count { target[i] = Float(T(littleEndian: (source + size &* i).loadUnaligned(as: T.self))) }
    }

    @inline(__always)
    static func word(_ source: UnsafeRawPointer) -> UInt32 {
        UInt32(littleEndian: source.loadUnaligned(as: UInt32.self))
    }

    /// An IEEE half at `source`, widened exactly.
    ///
    /// By hand because `Float(Float16)` is a library call on x86-64 without F16C. The exponent is rebased by one
    /// multiplication, which also normalises subnormals; infinities and NaNs then get the exponent of fp32.
    @inline(__always)
    static func half(_ source: UnsafeRawPointer) -> Float {
        let bits = UInt32(UInt16(littleEndian: source.loadUnaligned(as: UInt16.self)))
        let magnitude = (bits & 0x7FFF) << 13
        let rebased = (Float(bitPattern: magnitude) * 0x1p112).bitPattern
        let special: UInt32 = magnitude >= 0x7C00 << 13 ? 0x7F80_0000 : 0
        return Float(bitPattern: rebased | special | (bits & 0x8000) << 16)
    }
}
