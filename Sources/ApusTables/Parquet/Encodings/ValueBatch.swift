import ApusFormats

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

extension ValueBatch {
    /// Appends what the values mean; `page` holds those that are not joined.
    func append(
        to output: inout [JSONValue], _ type: ColumnType, page: UnsafeRawBufferPointer
    ) throws(TableFailure) {
        for word in words { output.append(try type.value(word: word)) }
        guard isJoined else { return try append(spans, of: page, to: &output, type) }
        try joined.withUnsafeBufferPointer { (buffer) throws(TableFailure) in
            try append(spans, of: UnsafeRawBufferPointer(buffer), to: &output, type)
        }
    }

    private func append(
        _ spans: [Range<Int>], of bytes: UnsafeRawBufferPointer, to output: inout [JSONValue], _ type: ColumnType
    ) throws(TableFailure) {
        for span in spans { output.append(try type.value(bytes: bytes.part(span))) }
    }
}
