/// A table of FlatBuffers (flatbuffers.dev/internals), in which Arrow writes its headers: fields are found through offsets, of
/// which each is compared with the bytes there are before it is followed.
struct FlatTable {
    let bytes: UnsafeRawBufferPointer
    private let position: Int
    /// Where the offsets of the fields stand, and how many there are.
    private let offsets: Int
    private let fieldCount: Int

    /// The table that the first bytes point to.
    init(root bytes: UnsafeRawBufferPointer) throws(TableFailure) {
        guard bytes.count >= 4 else { throw Self.outside }
        try self.init(bytes, at: Int(bytes.littleEndian(at: 0, as: UInt32.self)))
    }

    private init(_ bytes: UnsafeRawBufferPointer, at position: Int) throws(TableFailure) {
        guard position <= bytes.count - 4 else { throw Self.outside }
        let offsets = position - Int(bytes.littleEndian(at: position, as: Int32.self))
        guard offsets >= 0, offsets <= bytes.count - 4 else { throw Self.outside }
        let size = Int(bytes.littleEndian(at: offsets, as: UInt16.self))
        guard size >= 4, size <= bytes.count - offsets else { throw Self.outside }
        self.bytes = bytes
        self.position = position
        self.offsets = offsets + 4
        fieldCount = (size - 4) / 2
    }

    /// A number, which is left out where it is the default.
    func integer<Number: FixedWidthInteger & BitwiseCopyable>(
        _ field: Int, default missing: Number
    ) throws(TableFailure) -> Number {
        guard let place = try place(field, size: MemoryLayout<Number>.size) else { return missing }
        return bytes.littleEndian(at: place, as: Number.self)
    }

    func bool(_ field: Int) throws(TableFailure) -> Bool { try integer(field, default: UInt8(0)) != 0 }

    /// A table; nil where it is left out.
    func table(_ field: Int) throws(TableFailure) -> FlatTable? {
        guard let place = try place(field, size: 4) else { return nil }
        return try FlatTable(bytes, at: place + Int(bytes.littleEndian(at: place, as: UInt32.self)))
    }

    /// Text; nil where it is left out.
    func string(_ field: Int) throws(TableFailure) -> String? {
        guard let (start, count) = try vector(field, elementSize: 1) else { return nil }
        return String(decoding: bytes.part(start..<start + count), as: UTF8.self)
    }

    /// Where the elements of a vector start, and how many there are; nil where it is left out.
    func vector(_ field: Int, elementSize: Int) throws(TableFailure) -> (start: Int, count: Int)? {
        guard let place = try place(field, size: 4) else { return nil }
        let head = place + Int(bytes.littleEndian(at: place, as: UInt32.self))
        guard head <= bytes.count - 4 else { throw Self.outside }
        let count = Int(bytes.littleEndian(at: head, as: UInt32.self))
        guard count <= (bytes.count - head - 4) / elementSize else { throw Self.outside }
        return (head + 4, count)
    }

    /// A table that an element of a vector points to.
    func table(at element: Int) throws(TableFailure) -> FlatTable {
        try FlatTable(bytes, at: element + Int(bytes.littleEndian(at: element, as: UInt32.self)))
    }

    private func place(_ field: Int, size: Int) throws(TableFailure) -> Int? {
        guard field < fieldCount else { return nil }
        let offset = Int(bytes.littleEndian(at: offsets + 2 * field, as: UInt16.self))
        guard offset != 0 else { return nil }
        guard position + offset <= bytes.count - size else { throw Self.outside }
        return position + offset
    }

    private static var outside: TableFailure {
        .damaged(wanted: "a header whose offsets stay inside", found: "one that points outside")
    }
}
