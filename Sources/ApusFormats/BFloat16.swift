extension Float {
    /// The nearest value that bfloat16 can hold, ties to even; a NaN stays one.
    public var roundedToBFloat16: Float { Float(bitPattern: UInt32(bfloat16Bits) << 16) }

    /// The bits of the nearest bfloat16, ties to even; a NaN stays one.
    public var bfloat16Bits: UInt16 {
        let bits = bitPattern
        guard !isNaN else { return UInt16(truncatingIfNeeded: bits >> 16) | 0x40 }
        return UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
    }
}
