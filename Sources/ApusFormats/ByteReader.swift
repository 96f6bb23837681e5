/// A cursor over little-endian bytes that checks every length against what is left before it is used.
struct ByteReader {
    let bytes: UnsafeRawBufferPointer
    let path: String
    private(set) var offset = 0

    init(_ bytes: UnsafeRawBufferPointer, path: String) {
        self.bytes = bytes
        self.path = path
    }

    /// Bytes that have not been read.
    var remaining: Int { bytes.count - offset }

    /// The next fixed-width number; `what` names it in errors.
    mutating func integer<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type, _ what: String) throws(FormatError) -> T {
        let start = offset
        try skip(MemoryLayout<T>.size, what)
        return T(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: T.self))
    }

    /// A 64-bit count of things that take at least `minimumSize` bytes each, all of which must fit in what is left.
    mutating func count(minimumSize: Int, _ what: String) throws(FormatError) -> Int {
        let count = try integer(UInt64.self, what)
        guard count <= UInt64(remaining / minimumSize) else {
            throw FormatError(
                .truncated, file: path,
                "claims \(what) of \(count) at byte \(offset - 8), \(remaining) bytes are left; copy the file again")
        }
        return Int(count)
    }

    /// A length-prefixed UTF-8 string.
    mutating func string(_ what: String) throws(FormatError) -> String {
        let length = try count(minimumSize: 1, "length of \(what)")
        let start = offset
        try skip(length, what)
        let slice = UnsafeRawBufferPointer(rebasing: bytes[start..<start + length])
        guard let text = String(validating: slice, as: UTF8.self) else {
            throw FormatError(
                .malformed, file: path, "\(what) at byte \(start) is not valid UTF-8; the file is damaged")
        }
        return text
    }

    /// The next `count` bytes.
    mutating func slice(_ count: Int, _ what: String) throws(FormatError) -> UnsafeRawBufferPointer {
        let start = offset
        try skip(count, what)
        return UnsafeRawBufferPointer(rebasing: bytes[start..<offset])
    }

    private mutating func skip(_ count: Int, _ what: String) throws(FormatError) {
        guard count <= remaining else {
            let message =
                "ends inside \(what): wanted \(count) bytes at byte \(offset), "
                + "\(remaining) are left; copy the file again"
            throw FormatError(.truncated, file: path, message)
        }
        offset += count
    }
}
