// Pointers are not checked in release builds: whoever calls these has compared the range with `count`, in sums that cannot
// overflow.
extension UnsafeRawBufferPointer {
    /// The little-endian number at an offset.
    @inline(__always)
    func littleEndian<Number: FixedWidthInteger & BitwiseCopyable>(at offset: Int, as _: Number.Type) -> Number {
        Number(littleEndian: loadUnaligned(fromByteOffset: offset, as: Number.self))
    }

    /// The bytes of a range as a buffer of their own.
    @inline(__always)
    func part(_ range: Range<Int>) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: self[range]) }

    /// The 64 bits that start at a bit, the first lowest; those beyond the end are 0.
    @inline(__always)
    func bits(at position: Int) -> UInt64 {
        let offset = position >> 3
        let shift = UInt64(position & 7)
        guard offset <= count - 9 else { return lastBits(from: offset, shift) }
        let low = littleEndian(at: offset, as: UInt64.self) >> shift
        return shift == 0 ? low : low | UInt64(self[offset + 8]) << (64 - shift)
    }

    private func lastBits(from offset: Int, _ shift: UInt64) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<9 where offset + index < count {
            let byte = UInt64(self[offset + index])
            let place = 8 * index - Int(shift)
            value |= place < 0 ? byte >> UInt64(-place) : byte << UInt64(place)
        }
        return value
    }
}
