import Testing

@testable import ApusFormats

@Suite struct ChecksumTests {
    /// What the reference implementation gives with seed 0.
    @Test(arguments: [
        ("", 0xEF46_DB37_51D8_E999 as UInt64), ("a", 0xD24E_C4F1_A98C_6E5B), ("abc", 0x44BC_2CF5_AD77_0999),
        ("Nobody inspects the spammish repetition", 0xFBCE_A83C_8A37_8BF1),
    ])
    func isXXH64(text: String, expected: UInt64) {
        #expect(Array(text.utf8).withUnsafeBytes { XXHash64.hash($0) } == expected)
    }

    @Test func piecesOfAnyLengthGiveTheSame() {
        let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 37 ^ $0 >> 3) }
        let whole = bytes.withUnsafeBytes { XXHash64.hash($0) }
        for size in [1, 3, 8, 31, 32, 33, 100, 999] {
            var hash = XXHash64()
            for start in stride(from: 0, to: bytes.count, by: size) {
                bytes[start..<min(start + size, bytes.count)].withUnsafeBytes { hash.update($0) }
            }
            #expect(hash.value == whole)
        }
    }

    /// Against the standard library's own check.
    @Test func wellFormedUTF8IsWhatTheStandardLibraryTakes() {
        var random = SystemRandomNumberGenerator()
        // Bytes that begin or go on with a scalar, at the borders of what is allowed.
        let bytes: [UInt8] = [
            0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEE, 0xEF,
            0xF0,
            0xF1, 0xF3, 0xF4, 0xF5, 0xFF,
        ]
        for _ in 0..<200_000 {
            let text = (0..<Int.random(in: 0...5)).map { _ in bytes.randomElement(using: &random) ?? 0 }
            let isValid = String(validating: text, as: UTF8.self) != nil
            #expect(text.withUnsafeBytes { isWellFormedUTF8($0) } == isValid, "\(text)")
        }
    }
}
