/// SentencePiece's table of replacements: a double array of byte strings, each with the place of its replacement in a text of
/// replacements that end in zero bytes.
///
/// Layout: the size of the array in bytes (u32, little-endian), the array of u32, the replacements. Whatever its bytes are, no
/// look goes outside of it.
struct CharacterMap: Sendable, Equatable {
    /// Who reads the table decides what is looked up in it.
    enum Reading: Sendable {
        /// The `tokenizers` library: whole grapheme clusters below six bytes, of which the shortest prefix counts, then their
        /// characters.
        case graphemes
        /// SentencePiece: the longest prefix at every place.
        case longestPrefix
    }

    private let units: [UInt32]
    private let replacements: [UInt8]
    private let reading: Reading

    /// nil where the bytes are no table.
    init?(_ bytes: [UInt8], reading: Reading) {
        guard bytes.count >= 4 else { return nil }
        let size = Int(Self.unit(bytes, 0))
        guard size % 4 == 0, size >= 4, size <= bytes.count - 4 else { return nil }
        units = (0..<size / 4).map { Self.unit(bytes, 4 + 4 * $0) }
        replacements = Array(bytes[(4 + size)...])
        guard String(validating: replacements, as: UTF8.self) != nil else { return nil }
        self.reading = reading
    }

    private static func unit(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
    }

    /// The bytes of the longest replacement.
    var longestReplacement: Int { replacements.split(separator: 0).map(\.count).max() ?? 0 }

    func apply(to text: [UInt8]) -> [UInt8] {
        switch reading {
        case .graphemes: byGraphemes(text)
        case .longestPrefix: byLongestPrefix(text)
        }
    }

    private func byGraphemes(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        for character in String(decoding: text, as: UTF8.self) {
            let bytes = Array(character.utf8)
            if bytes.count < 6, let place = prefixes(of: bytes[...]).shortest {
                result += replacement(at: place)
                continue
            }
            bytes[...].forEachScalar { _, range in
                if let place = prefixes(of: bytes[range]).shortest {
                    result += replacement(at: place)
                } else {
                    result += bytes[range]
                }
            }
        }
        return result
    }

    /// How many bytes take the place of the first bytes of a text: the characters of a cluster are replaced one by one, and what
    /// is left stands for the last of them.
    func beginning(_ length: Int, of text: [UInt8]) -> Int {
        var (result, at) = (0, 0)
        for character in String(decoding: text, as: UTF8.self) where at < length {
            let bytes = Array(character.utf8)
            let kept = Array(bytes.prefix(length - at))
            at += bytes.count
            guard bytes.count < 6, let place = prefixes(of: bytes[...]).shortest, kept.count < bytes.count else {
                result += byGraphemes(kept).count
                continue
            }
            let count = String(decoding: kept, as: UTF8.self).unicodeScalars.count
            let new = String(decoding: replacement(at: place), as: UTF8.self).unicodeScalars.prefix(count)
            result += String(new).utf8.count
        }
        return result
    }

    /// How many bytes take the place of the first character that does not vanish; of a cluster that is replaced as one the first
    /// character of what takes its place.
    func firstReplacement(in text: [UInt8]) -> Int {
        for character in String(decoding: text, as: UTF8.self) {
            let bytes = Array(character.utf8)
            if bytes.count < 6, let place = prefixes(of: bytes[...]).shortest {
                let new = replacement(at: place)
                guard let first = new.first else { continue }
                return character.unicodeScalars.count == 1 ? new.count : min(first.scalarLength, new.count)
            }
            for scalar in character.unicodeScalars {
                let count = byGraphemes(Array(String(scalar).utf8)).count
                if count > 0 { return count }
            }
        }
        return 0
    }

    private func byLongestPrefix(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var at = 0
        while at < text.count {
            if let (place, length) = prefixes(of: text[at...]).longest {
                result += replacement(at: place)
                at += length
            } else {
                let end = min(at + text[at].scalarLength, text.count)
                result += text[at..<end]
                at = end
            }
        }
        return result
    }

    private func replacement(at place: Int) -> ArraySlice<UInt8> {
        guard place < replacements.count else { return [] }
        return replacements[place...].prefix { $0 != 0 }
    }

    /// The places of the shortest and the longest string that the text begins with.
    private func prefixes(of text: ArraySlice<UInt8>) -> (shortest: Int?, longest: (place: Int, length: Int)?) {
        var shortest: Int?
        var longest: (place: Int, length: Int)?
        var node = Self.offset(units[0])
        for (index, byte) in text.enumerated() {
            node ^= Int(byte)
            guard byte != 0, node < units.count else { break }
            let unit = units[node]
            guard unit & (1 << 31 | 0xFF) == UInt32(byte) else { break }
            node ^= Self.offset(unit)
            guard node < units.count else { break }
            guard unit >> 8 & 1 == 1 else { continue }
            let place = Int(units[node] & 0x7FFF_FFFF)
            // A damaged table may point into a character or end within one.
            guard place >= replacements.count || replacements[place] & 0xC0 != 0x80 else { continue }
            shortest = shortest ?? place
            let next = text.startIndex + index + 1
            if next == text.endIndex || text[next] & 0xC0 != 0x80 { longest = (place, index + 1) }
        }
        return (shortest, longest)
    }

    private static func offset(_ unit: UInt32) -> Int { Int((unit >> 10) << ((unit & 1 << 9) >> 6)) }
}
