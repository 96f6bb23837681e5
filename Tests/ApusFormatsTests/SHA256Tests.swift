import CBlocks
import Testing

@testable import ApusFormats

@Suite struct SHA256Tests {
    /// Bytes without a short period.
    static let bytes = (0..<200).map { UInt8(truncatingIfNeeded: $0 &* 37 ^ $0 >> 3) }

    /// The examples that NIST publishes with FIPS 180-4.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (
            "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
        ),
    ])
    func isSHA256(text: String, expected: String) {
        var hash = SHA256()
        hash.update(text.utf8)
        #expect(hash.hexadecimal == expected)
        #expect(hash.finalize().count == 32)
    }

    /// NIST's long example, in pieces that seldom end with a block.
    @Test func isSHA256OfAMillionBytes() {
        var hash = SHA256()
        for _ in 0..<1000 { hash.update(repeatElement(UInt8(ascii: "a"), count: 1000)) }
        #expect(hash.hexadecimal == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    @Test func piecesOfAnyLengthGiveTheSame() {
        for length in 0...Self.bytes.count {
            let whole = Self.digest(Self.bytes.prefix(length), piece: max(1, length))
            let differing = (1...max(1, length)).filter { Self.digest(Self.bytes.prefix(length), piece: $0) != whole }
            #expect(differing.isEmpty, "\(length) bytes")
        }
    }

    /// Bytes that have no memory of their own, or lie anywhere in another's.
    @Test func collectionsOfAnyKindGiveTheSame() {
        let expected = Self.digest(Self.bytes[...], piece: Self.bytes.count)
        var computed = SHA256()
        computed.update(Self.bytes.lazy.map { $0 })
        #expect(computed.finalize() == expected)
        for offset in 1..<16 {
            var moved = SHA256()
            moved.update(([UInt8](repeating: 0, count: offset) + Self.bytes).dropFirst(offset))
            #expect(moved.finalize() == expected)
        }
    }

    @Test func goesOnAfterItsValueWasRead() {
        var hash = SHA256()
        hash.update("a".utf8)
        _ = hash.finalize()
        hash.update("bc".utf8)
        #expect(hash.hexadecimal == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }

    /// The processor's own instructions, where it has them, against plain C.
    @Test func processorsInstructionsGiveTheSame() {
        var random = SystemRandomNumberGenerator()
        for count in 0...20 {
            let blocks = (0..<64 * count).map { _ in UInt8.random(in: 0...255, using: &random) }
            var fast = (0..<8).map { _ in UInt32.random(in: 0...UInt32.max, using: &random) }
            var plain = fast
            apus_sha256_blocks(&fast, blocks, count)
            apus_sha256_blocks_plain(&plain, blocks, count)
            #expect(fast == plain, "\(count) blocks")
        }
    }

    private static func digest(_ bytes: ArraySlice<UInt8>, piece: Int) -> [UInt8] {
        var hash = SHA256()
        for start in stride(from: 0, to: bytes.count, by: piece) {
            hash.update(bytes[start..<min(start + piece, bytes.count)])
        }
        return hash.finalize()
    }
}
