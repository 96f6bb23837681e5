import Testing

@testable import ApusFormats

@Suite struct SHA1Tests {
    /// The examples that NIST publishes with FIPS 180-4.
    @Test(arguments: [
        ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"), ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "84983e441c3bd26ebaae4aa1f95129e5e54670f1"),
    ])
    func isSHA1(text: String, expected: String) {
        var hash = SHA1()
        hash.update(text.utf8)
        #expect(hash.hexadecimal == expected)
    }

    /// NIST's long example, in pieces that seldom end with a block.
    @Test func isSHA1OfAMillionBytes() {
        var hash = SHA1()
        for _ in 0..<1000 { hash.update(repeatElement(UInt8(ascii: "a"), count: 1000)) }
        #expect(hash.hexadecimal == "34aa973cd4c4daa4f61eeb2bdbad27316534016f")
    }
}
