/// The values of a page in whichever encoding they are written.
enum ValueDecoder {
    case plain(PlainDecoder)
    case runs(HybridDecoder)
    case dictionary(HybridDecoder)
    case delta(DeltaDecoder, is32Bit: Bool)
    case deltaLength(DeltaLengthDecoder)
    case deltaBytes(DeltaBytesDecoder)
    case split(SplitDecoder, isSigned: Bool?)

    /// The decoder of the values that stand in `range` of the page.
    init(
        _ encoding: Encoding, _ leaf: ParquetLeaf, _ range: Range<Int>, _ bytes: UnsafeRawBufferPointer
    ) throws(TableFailure) {
        switch (encoding, leaf.physicalType) {
        case (.plain, let type): self = .plain(PlainDecoder(range, type, length: leaf.length))
        case (.plainDictionary, _), (.dictionary, _):
            // Without a value there may be no width either.
            let width = range.isEmpty ? 0 : Int(bytes[range.lowerBound])
            let start = min(range.lowerBound + 1, range.upperBound)
            self = .dictionary(try HybridDecoder(start..<range.upperBound, width: width))
        case (.runs, .boolean):
            var start = range.lowerBound
            let runs = try bytes.prefixed(at: &start, end: range.upperBound, "booleans")
            self = .runs(try HybridDecoder(runs, width: 1))
        case (.delta, .int32): self = .delta(try DeltaDecoder(range, bytes), is32Bit: true)
        case (.delta, .int64): self = .delta(try DeltaDecoder(range, bytes), is32Bit: false)
        case (.deltaLength, .bytes): self = .deltaLength(try DeltaLengthDecoder(range, bytes))
        case (.deltaBytes, .bytes), (.deltaBytes, .fixedBytes): self = .deltaBytes(try DeltaBytesDecoder(range, bytes))
        case (.byteStreamSplit, .int32): self = .split(try SplitDecoder(range, width: 4), isSigned: true)
        case (.byteStreamSplit, .float): self = .split(try SplitDecoder(range, width: 4), isSigned: false)
        case (.byteStreamSplit, .int64), (.byteStreamSplit, .double):
            self = .split(try SplitDecoder(range, width: 8), isSigned: false)
        case (.byteStreamSplit, .fixedBytes):
            self = .split(try SplitDecoder(range, width: leaf.length), isSigned: nil)
        default:
            throw .unsupported(
                "found values of type \(leaf.physicalType.name) in the encoding \(encoding.name)",
                "write the file again with other settings")
        }
    }

    /// Appends `count` values or fewer, at least one; of a dictionary their places in it.
    mutating func read(
        _ count: Int, into batch: inout ValueBatch, from bytes: UnsafeRawBufferPointer
    ) throws(TableFailure) {
        // Decoders are values inside a case: each is taken out for a batch and put back.
        switch self {
        case .plain(var decoder):
            try decoder.read(count, into: &batch, from: bytes)
            self = .plain(decoder)
        case .runs(var decoder):
            try decoder.append(count, to: &batch.words, from: bytes)
            self = .runs(decoder)
        case .dictionary(var decoder):
            try decoder.append(count, to: &batch.words, from: bytes)
            self = .dictionary(decoder)
        case .delta(var decoder, let is32Bit):
            for _ in 0..<count {
                let value = try decoder.next(bytes)
                let word = is32Bit ? Int64(Int32(truncatingIfNeeded: value)) : value
                batch.words.append(UInt64(bitPattern: word))
            }
            self = .delta(decoder, is32Bit: is32Bit)
        case .deltaLength(var decoder):
            for _ in 0..<count { batch.spans.append(try decoder.next(bytes)) }
            self = .deltaLength(decoder)
        case .deltaBytes(var decoder):
            try decoder.read(count, into: &batch, from: bytes)
            self = .deltaBytes(decoder)
        case .split(var decoder, let isSigned):
            try decoder.read(count, isSigned: isSigned, into: &batch, from: bytes)
            self = .split(decoder, isSigned: isSigned)
        }
    }
}

extension HybridDecoder {
    fileprivate mutating func append(
        _ count: Int, to words: inout [UInt64], from bytes: UnsafeRawBufferPointer
    ) throws(TableFailure) {
        var numbers = [UInt32](repeating: 0, count: count)
        try numbers.withUnsafeMutableBufferPointer { (output) throws(TableFailure) in
            try read(into: output, from: bytes)
        }
        words.append(contentsOf: numbers.lazy.map(UInt64.init))
    }
}

extension UnsafeRawBufferPointer {
    /// The range of what a length in 32 bits stands before; `offset` moves behind it.
    func prefixed(at offset: inout Int, end: Int, _ what: String) throws(TableFailure) -> Range<Int> {
        guard end - offset >= 4 else { throw .damaged(wanted: "the size of \(what)", found: "the end of the page") }
        let size = Int(littleEndian(at: offset, as: UInt32.self))
        let start = offset + 4
        guard size <= end - start else {
            throw .damaged(wanted: "\(size) bytes of \(what)", found: "\(end - start) left in the page")
        }
        offset = start + size
        return start..<offset
    }
}
