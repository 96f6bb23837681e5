internal import CBlocks

/// SHA-256 as FIPS 180-4 defines it: a checksum of bytes for which nobody can make other bytes.
package struct SHA256: BlockDigest {
    /// The fractional parts of the square roots of the first eight primes (FIPS 180-4, 5.3.3).
    package var blocks = DigestBlocks(state: [
        0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53A, 0x510E_527F, 0x9B05_688C, 0x1F83_D9AB, 0x5BE0_CD19,
    ])

    /// The checksum of no bytes.
    package init() {}

    /// Unsafe because the kernel is C: `blocks` are whole, and the state its eight words.
    package static func fold(_ blocks: UnsafeRawBufferPointer, into state: inout [UInt32]) {
        apus_sha256_blocks(&state, blocks.baseAddress, blocks.count / DigestBlocks.size)
    }
}

/// SHA-1 as FIPS 180-4 defines it: what git names files by. Other bytes with the same checksum can be made.
package struct SHA1: BlockDigest {
    /// FIPS 180-4, 5.3.1.
    package var blocks = DigestBlocks(state: [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0])

    /// The checksum of no bytes.
    package init() {}

    /// Unsafe because the kernel is C: `blocks` are whole, and the state its five words.
    package static func fold(_ blocks: UnsafeRawBufferPointer, into state: inout [UInt32]) {
        apus_sha1_blocks(&state, blocks.baseAddress, blocks.count / DigestBlocks.size)
    }
}

/// What a checksum that takes blocks of 64 bytes has seen.
package struct DigestBlocks {
    fileprivate var state: [UInt32]
    fileprivate var count: UInt64 = 0
    /// Bytes that do not fill a block yet.
    private var rest: [UInt8] = []

    fileprivate static let size = 64

    fileprivate init(state: [UInt32]) { self.state = state }

    fileprivate mutating func update(
        _ bytes: UnsafeRawBufferPointer, _ fold: (UnsafeRawBufferPointer, inout [UInt32]) -> Void
    ) {
        count &+= UInt64(bytes.count)
        var bytes = bytes[...]
        if !rest.isEmpty {
            let missing = min(Self.size - rest.count, bytes.count)
            rest += bytes.prefix(missing)
            bytes = bytes.dropFirst(missing)
            guard rest.count == Self.size else { return }
            // The kernel takes memory, and this is its one block.
            rest.withUnsafeBytes { fold($0, &state) }
            rest.removeAll(keepingCapacity: true)
        }
        let whole = bytes.count / Self.size * Self.size
        fold(UnsafeRawBufferPointer(rebasing: bytes.prefix(whole)), &state)
        rest += bytes.dropFirst(whole)
    }

    /// A one, as many zeros as let the length end a block, and the length in bits (FIPS 180-4, 5.1.1).
    fileprivate var padding: [UInt8] {
        let zeros = (2 * Self.size - 9 - rest.count) % Self.size
        return [0x80] + [UInt8](repeating: 0, count: zeros) + Self.bigEndian(count &* 8)
    }

    fileprivate static func bigEndian(_ number: some FixedWidthInteger) -> [UInt8] {
        stride(from: number.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: number >> $0) }
    }
}

/// A checksum that takes blocks of 64 bytes.
package protocol BlockDigest {
    /// What it has seen.
    var blocks: DigestBlocks { get set }
    /// Adds whole blocks to the state.
    static func fold(_ blocks: UnsafeRawBufferPointer, into state: inout [UInt32])
}

extension BlockDigest {
    /// Adds bytes at the end.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        blocks.update(bytes) { Self.fold($0, into: &$1) }
    }

    /// Adds bytes at the end.
    package mutating func update(_ bytes: some Collection<UInt8>) {
        // Lent where they lie, so that a large piece of a file is not copied.
        let lent: Void? = bytes.withContiguousStorageIfAvailable { update(UnsafeRawBufferPointer($0)) }
        if lent == nil { Array(bytes).withUnsafeBytes { update($0) } }
    }

    /// The bytes of the checksum of all bytes so far; more may be added afterwards.
    package func finalize() -> [UInt8] {
        var padded = self
        padded.update(blocks.padding)
        return padded.blocks.state.flatMap { DigestBlocks.bigEndian($0) }
    }

    /// The checksum of all bytes so far, two lower-case digits a byte.
    package var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: finalize().flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
