/// Bytes whose lengths come first (Encodings.md, "DELTA_LENGTH_BYTE_ARRAY").
struct DeltaLengthDecoder {
    private let end: Int
    private var lengths: DeltaDecoder
    private var offset: Int

    init(_ range: Range<Int>, _ bytes: UnsafeRawBufferPointer) throws(TableFailure) {
        end = range.upperBound
        lengths = try DeltaDecoder(range, bytes)
        offset = try lengths.endOffset(bytes)
    }

    /// The next value.
    mutating func next(_ bytes: UnsafeRawBufferPointer) throws(TableFailure) -> Range<Int> {
        let length = try lengths.next(bytes)
        guard length >= 0, length <= end - offset else {
            throw .damaged(wanted: "a value of \(length) bytes", found: "\(end - offset) left in the page")
        }
        let start = offset
        offset += Int(length)
        return start..<offset
    }
}

/// Bytes that begin as those before them do (Encodings.md, "DELTA_BYTE_ARRAY").
struct DeltaBytesDecoder {
    /// Values are joined until they take so much: with long beginnings a small page makes many bytes.
    private static let batchSize = 1 << 18
    private var prefixes: DeltaDecoder
    private var suffixes: DeltaLengthDecoder
    private var last: [UInt8] = []

    init(_ range: Range<Int>, _ bytes: UnsafeRawBufferPointer) throws(TableFailure) {
        prefixes = try DeltaDecoder(range, bytes)
        suffixes = try DeltaLengthDecoder(try prefixes.endOffset(bytes)..<range.upperBound, bytes)
    }

    /// Appends `count` values, or fewer where they are long.
    mutating func read(
        _ count: Int, into batch: inout ValueBatch, from bytes: UnsafeRawBufferPointer
    ) throws(TableFailure) {
        batch.isJoined = true
        for _ in 0..<count where batch.joined.count < Self.batchSize {
            let prefix = try prefixes.next(bytes)
            guard prefix >= 0, prefix <= last.count else {
                throw .damaged(wanted: "\(prefix) bytes of the value before", found: "\(last.count)")
            }
            last.removeSubrange(Int(prefix)...)
            last.append(contentsOf: bytes.part(try suffixes.next(bytes)))
            batch.spans.append(batch.joined.count..<batch.joined.count + last.count)
            batch.joined.append(contentsOf: last)
        }
    }
}

/// Values of which all first bytes come first, then all second ones (Encodings.md, "BYTE_STREAM_SPLIT").
struct SplitDecoder {
    private let start: Int
    private let count: Int
    private let width: Int
    private var index = 0

    init(_ range: Range<Int>, width: Int) throws(TableFailure) {
        guard width > 0, range.count % width == 0 else {
            throw .damaged(wanted: "whole values of \(width) bytes", found: "a page of \(range.count) bytes")
        }
        start = range.lowerBound
        count = range.count / width
        self.width = width
    }

    /// Appends values: numbers as words where `isSigned` is given, else bytes.
    mutating func read(
        _ wanted: Int, isSigned: Bool?, into batch: inout ValueBatch, from bytes: UnsafeRawBufferPointer
    ) throws(TableFailure) {
        guard wanted <= count - index else {
            throw .damaged(wanted: "\(wanted) values more", found: "the end of the page")
        }
        for value in index..<index + wanted {
            if let isSigned {
                var word: UInt64 = 0
                for byte in 0..<width { word |= UInt64(bytes[start + byte * count + value]) << UInt64(8 * byte) }
                if isSigned && width == 4 { word = UInt64(truncatingIfNeeded: Int32(truncatingIfNeeded: word)) }
                batch.words.append(word)
            } else {
                batch.isJoined = true
                batch.spans.append(batch.joined.count..<batch.joined.count + width)
                for byte in 0..<width { batch.joined.append(bytes[start + byte * count + value]) }
            }
        }
        index += wanted
    }
}
