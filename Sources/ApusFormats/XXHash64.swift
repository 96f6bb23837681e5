/// XXH64 with seed 0: a fast 64-bit checksum of bytes that nobody forges.
package struct XXHash64 {
    private var lanes: SIMD4<UInt64> = [Self.primes.0 &+ Self.primes.1, Self.primes.1, 0, 0 &- Self.primes.0]
    private var count: UInt64 = 0
    /// Bytes that do not fill a stripe yet.
    private var rest: [UInt8] = []

    private static let primes: (UInt64, UInt64, UInt64, UInt64, UInt64) = (
        0x9E37_79B1_85EB_CA87, 0xC2B2_AE3D_27D4_EB4F, 0x1656_67B1_9E37_79F9, 0x85EB_CA77_C2B2_AE63,
        0x27D4_EB2F_1656_67C5
    )
    private static let stripe = 32

    /// The checksum of no bytes.
    package init() {}

    /// The checksum of some bytes.
    package static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var hash = XXHash64()
        hash.update(bytes)
        return hash.value
    }

    /// Adds bytes at the end.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        count &+= UInt64(bytes.count)
        var bytes = bytes[...]
        if !rest.isEmpty {
            let missing = min(Self.stripe - rest.count, bytes.count)
            rest += bytes.prefix(missing)
            bytes = bytes.dropFirst(missing)
            guard rest.count == Self.stripe else { return }
            rest.withUnsafeBytes { Self.mix($0, into: &lanes) }
            rest = []
        }
        let whole = bytes.count / Self.stripe * Self.stripe
        Self.mix(UnsafeRawBufferPointer(rebasing: bytes.prefix(whole)), into: &lanes)
        rest += bytes.dropFirst(whole)
    }

    /// Adds the bytes of a text, preceded by their number.
    package mutating func update(_ text: String) {
        update(Int64(text.utf8.count))
        Array(text.utf8).withUnsafeBytes { update($0) }
    }

    /// Adds a number.
    package mutating func update(_ number: Int64) {
        withUnsafeBytes(of: number.littleEndian) { update($0) }
    }

    /// The checksum of all bytes so far.
    package var value: UInt64 {
        let p = Self.primes
        var hash = p.4
        if count >= UInt64(Self.stripe) {
            hash =
                Self.rotated(lanes[0], 1) &+ Self.rotated(lanes[1], 7) &+ Self.rotated(lanes[2], 12)
                &+ Self.rotated(lanes[3], 18)
            for lane in 0..<4 { hash = (hash ^ Self.round(0, lanes[lane])) &* p.0 &+ p.3 }
        }
        return Self.avalanche(rest.withUnsafeBytes { Self.finish($0, hash &+ count) })
    }

    private static func mix(_ bytes: UnsafeRawBufferPointer, into lanes: inout SIMD4<UInt64>) {
        var (a, b, c, d) = (lanes[0], lanes[1], lanes[2], lanes[3])
        var at = 0
        while at < bytes.count {
            a = round(a, word(bytes, at))
            b = round(b, word(bytes, at &+ 8))
            c = round(c, word(bytes, at &+ 16))
            d = round(d, word(bytes, at &+ 24))
            at &+= stripe
        }
        lanes = [a, b, c, d]
    }

    private static func finish(_ bytes: UnsafeRawBufferPointer, _ start: UInt64) -> UInt64 {
        let p = primes
        var hash = start
        var at = 0
        while at + 8 <= bytes.count {
            hash = rotated(hash ^ round(0, word(bytes, at)), 27) &* p.0 &+ p.3
            at += 8
        }
        if at + 4 <= bytes.count {
            let word = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self))
            hash = rotated(hash ^ UInt64(word) &* p.0, 23) &* p.1 &+ p.2
            at += 4
        }
        for byte in bytes[at...] { hash = rotated(hash ^ UInt64(byte) &* p.4, 11) &* p.0 }
        return hash
    }

    private static func avalanche(_ value: UInt64) -> UInt64 {
        var hash = (value ^ value >> 33) &* primes.1
        hash = (hash ^ hash >> 29) &* primes.2
        return hash ^ hash >> 32
    }

    @inline(__always)
    private static func word(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> UInt64 {
        UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
    }

    @inline(__always)
    private static func round(_ lane: UInt64, _ word: UInt64) -> UInt64 {
        rotated(lane &+ word &* primes.1, 31) &* primes.0
    }

    @inline(__always)
    private static func rotated(_ x: UInt64, _ bits: UInt64) -> UInt64 { x &<< bits | x &>> (64 &- bits) }
}
