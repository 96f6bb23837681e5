/// Values one after another as they are (Encodings.md, "PLAIN").
struct PlainDecoder {
    private let type: PhysicalType
    /// Bytes of a value of fixed length.
    private let length: Int
    private let end: Int
    private var offset: Int
    /// Of booleans, the bit in the byte at `offset`.
    private var bit = 0

    init(_ range: Range<Int>, _ type: PhysicalType, length: Int) {
        self.type = type
        self.length = length
        offset = range.lowerBound
        end = range.upperBound
    }

    /// Appends `count` values.
    mutating func read(
        _ count: Int, into batch: inout ValueBatch, from bytes: UnsafeRawBufferPointer
    ) throws(TableFailure) {
        switch type {
        case .boolean: try readBits(count, into: &batch, from: bytes)
        case .int32: try readWords(count, into: &batch, from: bytes) { UInt64(truncatingIfNeeded: $0 as Int32) }
        case .float: try readWords(count, into: &batch, from: bytes) { UInt64($0 as UInt32) }
        case .int64, .double: try readWords(count, into: &batch, from: bytes) { $0 as UInt64 }
        case .int96, .fixedBytes:
            try check(count, width: length)
            for _ in 0..<count {
                batch.spans.append(offset..<offset + length)
                offset += length
            }
        case .bytes: try readTexts(count, into: &batch, from: bytes)
        }
    }

    @inline(__always)
    private mutating func readWords<Word: FixedWidthInteger & BitwiseCopyable>(
        _ count: Int, into batch: inout ValueBatch, from bytes: UnsafeRawBufferPointer, _ widen: (Word) -> UInt64
    ) throws(TableFailure) {
        let width = MemoryLayout<Word>.size
        try check(count, width: width)
        for _ in 0..<count {
            batch.words.append(widen(bytes.littleEndian(at: offset, as: Word.self)))
            offset += width
        }
    }

    private mutating func readBits(
        _ count: Int, into batch: inout ValueBatch, from bytes: UnsafeRawBufferPointer
    ) throws(TableFailure) {
        guard count <= 8 * (end - offset) - bit else { throw tooShort(count) }
        for _ in 0..<count {
            batch.words.append(UInt64(bytes[offset] >> UInt8(bit)) & 1)
            bit += 1
            if bit == 8 { (offset, bit) = (offset + 1, 0) }
        }
    }

    private mutating func readTexts(
        _ count: Int, into batch: inout ValueBatch, from bytes: UnsafeRawBufferPointer
    ) throws(TableFailure) {
        for _ in 0..<count {
            guard end - offset >= 4 else { throw tooShort(1) }
            let length = Int(bytes.littleEndian(at: offset, as: UInt32.self))
            offset += 4
            guard length <= end - offset else {
                throw .damaged(wanted: "a value of \(length) bytes", found: "\(end - offset) left in the page")
            }
            batch.spans.append(offset..<offset + length)
            offset += length
        }
    }

    private func check(_ count: Int, width: Int) throws(TableFailure) {
        guard count <= (end - offset) / width else { throw tooShort(count) }
    }

    private func tooShort(_ count: Int) -> TableFailure {
        .damaged(wanted: "\(count) values more", found: "the end of the page")
    }
}
