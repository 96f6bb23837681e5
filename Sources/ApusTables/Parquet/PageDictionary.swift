import ApusFormats

/// The values that a column chunk's pages point to, as rows get them: a text that occurs often is made once.
struct PageDictionary {
    private let values: [JSONValue]

    /// Reads `count` values, which stand in the page as plain ones.
    init(_ leaf: ParquetLeaf, count: Int, _ bytes: UnsafeRawBufferPointer) throws(TableFailure) {
        var decoder = PlainDecoder(0..<bytes.count, leaf.physicalType, length: leaf.length)
        var batch = ValueBatch()
        var values: [JSONValue] = []
        // Little by little: the count is not believed before the bytes have been there.
        var left = count
        while left > 0 {
            let step = min(left, 1024)
            batch.removeAll()
            try decoder.read(step, into: &batch, from: bytes)
            try batch.append(to: &values, leaf.type, page: bytes)
            left -= step
        }
        self.values = values
    }

    /// Appends the values at places of the dictionary.
    func append(_ places: [UInt64], to output: inout [JSONValue]) throws(TableFailure) {
        for place in places {
            guard place < values.count else {
                throw .damaged(wanted: "places in a dictionary of \(values.count) values", found: "place \(place)")
            }
            output.append(values[Int(place)])
        }
    }
}
