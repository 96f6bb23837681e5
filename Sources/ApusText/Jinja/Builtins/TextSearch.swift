/// Searching in the bytes of a text. Swift's own search works on characters and finds no "\n" in "\r\n".
struct TextSearch {
    let bytes: [UInt8]

    init(_ text: String) { bytes = Array(text.utf8) }

    func firstRange(of part: String, from start: Int = 0) -> Range<Int>? {
        let wanted = Array(part.utf8)
        guard let first = wanted.first else { return start..<start }
        guard wanted.count <= bytes.count else { return nil }
        var position = start
        while position + wanted.count <= bytes.count {
            if bytes[position] == first, bytes[position...].starts(with: wanted) {
                return position..<(position + wanted.count)
            }
            position += 1
        }
        return nil
    }

    /// The last occurrence that ends at `end` or before.
    func lastRange(of part: String, upTo end: Int? = nil) -> Range<Int>? {
        let wanted = Array(part.utf8)
        var position = (end ?? bytes.count) - wanted.count
        while position >= 0 {
            if bytes[position...].starts(with: wanted) { return position..<(position + wanted.count) }
            position -= 1
        }
        return nil
    }

    /// The text between the occurrences of `separator`, which must not be empty; at most `limit` cuts.
    func split(at separator: String, limit: Int = .max) -> [String] {
        var parts: [String] = []
        var start = 0
        while parts.count < limit, let range = firstRange(of: separator, from: start) {
            parts.append(String(decoding: bytes[start..<range.lowerBound], as: UTF8.self))
            start = range.upperBound
        }
        parts.append(String(decoding: bytes[start...], as: UTF8.self))
        return parts
    }

    /// As `split`, from the end.
    func splitBack(at separator: String, limit: Int) -> [String] {
        var parts: [String] = []
        var end = bytes.count
        while parts.count < limit, let range = lastRange(of: separator, upTo: end) {
            parts.append(String(decoding: bytes[range.upperBound..<end], as: UTF8.self))
            end = range.lowerBound
        }
        parts.append(String(decoding: bytes[..<end], as: UTF8.self))
        return parts.reversed()
    }
}
