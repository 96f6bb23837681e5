/// GPT-2's spelling of bytes as printable characters, in which byte-level vocabularies are written: printable Latin-1
/// stands for itself, the other 68 bytes for U+0100 onwards.
enum ByteAlphabet {
    private static let scalars: [Unicode.Scalar] = {
        var next: UInt32 = 0x100
        return (UInt8.min...UInt8.max).map { byte in
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return Unicode.Scalar(byte)
            default:
                defer { next += 1 }
                return Unicode.Scalar(next) ?? "\u{FFFD}"
            }
        }
    }()

    private static let bytes: [UInt8?] = {
        var table = [UInt8?](repeating: nil, count: 0x144)
        for (byte, scalar) in scalars.enumerated() { table[Int(scalar.value)] = UInt8(byte) }
        return table
    }()

    /// The bytes that a token stands for. A token with a character outside the alphabet stands for itself: added
    /// tokens such as "a b" are written plainly.
    static func decode(_ token: String) -> [UInt8] {
        var result: [UInt8] = []
        let text = Array(token.utf8)
        decode(text, text.indices, into: &result)
        return result
    }

    /// Appends the bytes that a token stands for, whose UTF-8 is part of a larger text.
    static func decode(_ text: [UInt8], _ range: Range<Int>, into result: inout [UInt8]) {
        let start = result.count
        let table = bytes
        var at = range.lowerBound
        while at < range.upperBound {
            var scalar = Int(text[at])
            at += 1
            // The alphabet ends below U+0144: every character of it takes one or two bytes.
            if scalar >= 0x80 {
                let isPair = scalar & 0xE0 == 0xC0 && at < range.upperBound
                scalar = isPair ? (scalar & 0x1F) << 6 | Int(text[at]) & 0x3F : 0x144
                at += 1
            }
            guard scalar < 0x144, let byte = table[scalar] else {
                result.removeSubrange(start...)
                result += text[range]
                return
            }
            result.append(byte)
        }
    }

    /// The spelling of bytes.
    static func encode(_ bytes: some Sequence<UInt8>) -> String {
        var result = String.UnicodeScalarView()
        let table = scalars
        for byte in bytes { result.append(table[Int(byte)]) }
        return String(result)
    }
}
