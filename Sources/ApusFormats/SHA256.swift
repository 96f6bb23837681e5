internal import CBlocks

/// SHA-256 as FIPS 180-4 defines it: a checksum of bytes for which nobody can make other bytes.
package struct SHA256 {
    /// The fractional parts of the square roots of the first eight primes (FIPS 180-4, 5.3.3).
    private var state: [UInt32] = [
        0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53A, 0x510E_527F, 0x9B05_688C, 0x1F83_D9AB, 0x5BE0_CD19,
    ]
    private var count: UInt64 = 0
    /// Bytes that do not fill a block yet.
    private var rest: [UInt8] = []

    private static let block = 64

    /// The checksum of no bytes.
    package init() {}

    /// Adds bytes at the end.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        count &+= UInt64(bytes.count)
        var bytes = bytes[...]
        if !rest.isEmpty {
            let missing = min(Self.block - rest.count, bytes.count)
            rest += bytes.prefix(missing)
            bytes = bytes.dropFirst(missing)
            guard rest.count == Self.block else { return }
            // The kernel takes memory, and this is its one block.
            rest.withUnsafeBytes { Self.fold($0, into: &state) }
            rest.removeAll(keepingCapacity: true)
        }
        let whole = bytes.count / Self.block * Self.block
        Self.fold(UnsafeRawBufferPointer(rebasing: bytes.prefix(whole)), into: &state)
        rest += bytes.dropFirst(whole)
    }

    /// Adds bytes at the end.
    package mutating func update(_ bytes: some Collection<UInt8>) {
        // Lent where they lie, so that a large piece of a file is not copied.
        let lent: Void? = bytes.withContiguousStorageIfAvailable { update(UnsafeRawBufferPointer($0)) }
        if lent == nil { Array(bytes).withUnsafeBytes { update($0) } }
    }

    /// The 32 bytes of the checksum of all bytes so far; more may be added afterwards.
    package func finalize() -> [UInt8] {
        // A one, as many zeros as let the length end a block, and the length in bits (FIPS 180-4, 5.1.1).
        let zeros = (2 * Self.block - 9 - rest.count) % Self.block
        let bits = count &* 8
        var padded = self
        padded.update([0x80] + [UInt8](repeating: 0, count: zeros) + Self.bigEndian(bits))
        return padded.state.flatMap { Self.bigEndian($0) }
    }

    /// The checksum of all bytes so far, two lower-case digits a byte.
    package var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: finalize().flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// Unsafe because the kernel is C: `bytes` are whole blocks, and the state its eight words.
    private static func fold(_ bytes: UnsafeRawBufferPointer, into state: inout [UInt32]) {
        apus_sha256_blocks(&state, bytes.baseAddress, bytes.count / block)
    }

    private static func bigEndian(_ number: some FixedWidthInteger) -> [UInt8] {
        stride(from: number.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: number >> $0) }
    }
}
