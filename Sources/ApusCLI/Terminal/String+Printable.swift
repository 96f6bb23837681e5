import Foundation

extension String {
    /// The text as a terminal may get it: what a model or a file says must not move the cursor, colour the screen, fill the
    /// clipboard or turn other text around.
    ///
    /// Characters that steer a terminal are spelled out: `^[` is ESC, `^M` a carriage return, `<U+009B>` what begins a
    /// sequence in one character, `<U+202E>` an override of the writing direction. Line breaks and tabs stay. Every character
    /// is judged by itself, so a sequence that comes in two pieces is as harmless as a whole one. Of what turns text around,
    /// embeddings, overrides and isolates are spelled out, which reach beyond the text that they stand in; joiners and the
    /// marks of direction (U+200E, U+200F, U+061C), without which some scripts cannot be written, stay.
    var printable: String {
        guard unicodeScalars.contains(where: \.steersTerminals) else { return self }
        return unicodeScalars.map { $0.steersTerminals ? $0.spelling : String($0) }.joined()
    }

    /// The same as one line: line breaks become a mark, tabs a space.
    func printable(lineBreak: String) -> String {
        map { character -> String in
            if character.isNewline { return lineBreak }
            return character == "\t" ? " " : String(character).printable
        }.joined()
    }
}

extension Unicode.Scalar {
    /// Whether a terminal does something for it other than to show it, break the line or go to the next column of tabs.
    fileprivate var steersTerminals: Bool {
        switch value {
        case 0x09, 0x0A: false
        case 0x00...0x1F, 0x7F...0x9F, 0x202A...0x202E, 0x2066...0x2069: true
        default: false
        }
    }

    /// The character in words: `^[`, or `<U+009B>` outside of ASCII.
    fileprivate var spelling: String {
        guard isASCII else { return String(format: "<U+%04X>", value) }
        return "^" + String(Unicode.Scalar(UInt8(truncatingIfNeeded: value) ^ 0x40))
    }
}
