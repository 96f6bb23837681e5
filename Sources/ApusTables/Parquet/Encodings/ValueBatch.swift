/// Some values of a page as they are stored, before their type gives them a meaning.
struct ValueBatch {
    /// Numbers: whole ones sign-extended, the bits of floats.
    var words: [UInt64] = []
    /// Where values of bytes are: in the page, or in `joined`.
    var spans: [Range<Int>] = []
    /// Values that stand nowhere in one piece.
    var joined: [UInt8] = []
    var isJoined = false

    mutating func removeAll() {
        words.removeAll(keepingCapacity: true)
        spans.removeAll(keepingCapacity: true)
        joined.removeAll(keepingCapacity: true)
        isJoined = false
    }
}
